#include "serve/advice.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <optional>

#include <headroom/pressure.hpp>

#include "serve/documents.hpp"

namespace headroom::serve {
namespace {

constexpr std::chrono::minutes kLongWait{1};
constexpr std::size_t kNamed = 3;     // models that one sentence names
constexpr std::size_t kWaiters = 10;  // that are advised on
constexpr int kLargestFactor = 64;    // of a batch

// ------------------------------------------------------------------------------------ words

std::string tenths(double value, const char* unit) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f%s", value, unit);
  return text;
}

std::string sized(Bytes bytes) {
  const auto amount = static_cast<double>(bytes.count());
  if (bytes.count() < 1LL << 30) return std::to_string(std::llround(amount / (1 << 20))) + " MiB";
  return tenths(amount / (1LL << 30), " GiB");
}

std::string lasting(std::chrono::nanoseconds time) {
  using namespace std::chrono;
  const auto count = [](auto whole, const char* unit) {
    return std::to_string(whole.count()) + unit;
  };
  if (time < minutes(2)) return count(duration_cast<seconds>(time), " s");
  if (time < hours(2)) return count(duration_cast<minutes>(time), " min");
  if (time < hours(48)) return count(duration_cast<hours>(time), " h");
  return count(duration_cast<hours>(time) / 24, " days");
}

// A word of a command that a shell takes as it is meant; "" where there is none such.
std::string word(std::string_view text) {
  if (text.empty() || text.front() == '-') return "";
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_./:@+-").find(c) != std::string_view::npos;
  });
  if (plain) return std::string(text);
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

// "headroom fit NAME", or nothing where the name cannot be written so.
std::string command(std::string_view before, std::string_view name, std::string_view after = "") {
  const std::string quoted = word(name);
  if (quoted.empty()) return "";
  return std::string(before).append(quoted).append(after);
}

// An amount as an option takes it, rounded up.
std::string option(const char* name, Bytes bytes) {
  if (bytes.count() <= 0) return "";
  const double gib = std::ceil(static_cast<double>(bytes.count()) / (1LL << 30) * 10) / 10;
  return std::string(" ") + name + tenths(gib, "G");
}

std::string called(const Lease& lease) {
  const std::string id = "l-" + std::to_string(lease.id);
  return lease.name.empty() ? id : lease.name + " (" + id + ")";
}

std::string gpu_option(const View& view, const std::string& gpu) {
  if (view.sample) {
    for (const GpuReading& one : view.sample->gpus) {
      if (one.id == gpu) return "--gpu " + std::to_string(one.index);
    }
  }
  return command("--gpu ", gpu);
}

std::string gpu_name(const View& view, const std::string& gpu) {
  return device_name(view, Resource::gpu_memory, gpu);
}

// ---------------------------------------------------------------------------------- readings

const Room* room_of(const View& view, Resource resource, const std::string& device) {
  const auto found = std::find_if(view.rooms.begin(), view.rooms.end(), [&](const Room& room) {
    return room.resource == resource && room.device == device;
  });
  return found == view.rooms.end() ? nullptr : &*found;
}

Bytes room_for(const View& view, Resource resource, const std::string& device) {
  const Room* room = room_of(view, resource, device);
  return room != nullptr && room->closed.empty() ? Bytes(room->room.value_or(0)) : Bytes();
}

std::string reading(const View& view, const Pressure& pressure) {
  const std::string name = device_name(view, pressure.resource, pressure.device);
  std::string out = name.empty() ? to_string(pressure.resource) : name;
  const char* unit = pressure.resource == Resource::gpu_temperature ? " °C" : " %";
  if (pressure.value) out += ": " + tenths(*pressure.value, unit);
  out.append(", ").append(to_string(pressure.level));
  if (pressure.threshold) out += " from " + tenths(*pressure.threshold, unit);
  return out;
}

bool resident(const ModelView& model) { return model.state == ModelState::resident; }

Bytes held_there(const ModelView& model, bool gpu) {
  return gpu ? model.size.gpu_memory : model.size.memory;
}

// ------------------------------------------------------------------------------ what is tight

// What may be unloaded of what is tight: "sdxl (9.2 GiB, idle 14 min)".
void tight_memory(const View& view, const Pressure& pressure, std::vector<Advice>& out) {
  const bool gpu = pressure.resource == Resource::gpu_memory;
  std::vector<const ModelView*> may_go;
  const ModelView* mute = nullptr;  // the largest that nobody can be asked for
  for (const ModelView& model : view.models) {
    if (!resident(model) || (gpu && model.gpu != pressure.device)) continue;
    if (held_there(model, gpu).count() <= 0) continue;
    if (model.order > 0) {
      may_go.push_back(&model);
    } else if (model.model.hook.empty() && model.engine.empty() && !model.model.pinned &&
               (mute == nullptr || held_there(*mute, gpu) < held_there(model, gpu))) {
      mute = &model;
    }
  }
  std::sort(may_go.begin(), may_go.end(),
            [](const ModelView* a, const ModelView* b) { return a->order < b->order; });
  Advice tight{to_string(pressure.resource), "", reading(view, pressure), ""};
  const std::string where = gpu ? gpu_name(view, pressure.device) : "memory";
  if (!may_go.empty()) {
    Bytes sum;
    std::string names;
    for (std::size_t i = 0; i < may_go.size(); ++i) {
      sum += held_there(*may_go[i], gpu);
      if (i >= kNamed) continue;
      names.append(names.empty() ? "" : ", ").append(may_go[i]->model.name);
      names += " (" + sized(held_there(*may_go[i], gpu));
      if (may_go[i]->used) names += ", idle " + lasting(view.at.wall - *may_go[i]->used);
      names += ")";
    }
    if (may_go.size() > kNamed) {
      names += " and " + std::to_string(may_go.size() - kNamed) + " more";
    }
    tight.text =
        "unload what is idle: " + sized(sum) + " of " + where + " would come back from " + names;
    tight.command = gpu ? "headroom free " + gpu_option(view, pressure.device) : "headroom free";
    out.push_back(std::move(tight));
  } else {
    const Room* room = room_of(view, pressure.resource, pressure.device);
    const bool strangers = room != nullptr && room->unbooked > room->booked;
    if (strangers) {
      tight.text = "look at what nobody booked: " + sized(Bytes(room->unbooked)) + " of " + where +
                   " is used by processes without a lease, and no model may be unloaded";
      tight.command = "headroom ps --unbooked";
      if (gpu) tight.command += " " + gpu_option(view, pressure.device);
    } else {
      tight.text = "end or shrink a lease on " + where + ": no model may be unloaded";
      tight.command = "headroom lease";
    }
    out.push_back(std::move(tight));
  }
  if (mute != nullptr) {
    out.push_back(
        {"model",
         "say who can be asked to unload " + mute->model.name + ": it stays because nobody can",
         sized(held_there(*mute, gpu)) + " of " + where,
         command("headroom model set ", mute->model.name, " --hook NAME")});
  }
}

void tight(const View& view, std::vector<Advice>& out) {
  std::vector<const Pressure*> all;
  for (const Pressure& pressure : view.pressures) {
    if (pressure.level != Level::ok) all.push_back(&pressure);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Pressure* a, const Pressure* b) { return a->level > b->level; });
  for (const Pressure* pressure : all) {
    const std::string name = device_name(view, pressure->resource, pressure->device);
    switch (pressure->resource) {
      case Resource::memory:
      case Resource::gpu_memory:
        tight_memory(view, *pressure, out);
        break;
      case Resource::gpu_temperature: {
        const bool drained =
            std::any_of(view.drains.begin(), view.drains.end(), [&](const Drain& drain) {
              return drain.device.empty() || drain.device == pressure->device;
            });
        out.push_back({"gpu_temperature",
                       "look after the cooling of " + name +
                           (drained ? "; it takes nobody new" : ", and place nobody new there"),
                       reading(view, *pressure),
                       drained ? "" : "headroom drain " + gpu_option(view, pressure->device)});
        break;
      }
      case Resource::cpu:
        out.push_back({"cpu", "start what can wait so that it queues", reading(view, *pressure),
                       "headroom run --cpu 1 --wait 1h -- COMMAND"});
        break;
      case Resource::disk:
        out.push_back({"disk", "make space on " + (name.empty() ? "the disk" : name),
                       reading(view, *pressure), ""});
        break;
      case Resource::power:
      case Resource::network:
      case Resource::budget:
      case Resource::allocation_failures:
      case Resource::component_unresponsive:
      case Resource::forecast_low_confidence:
        break;
    }
  }
}

void drained(const View& view, std::vector<Advice>& out) {
  for (const Drain& drain : view.drains) {
    const bool node = drain.device.empty();
    const std::string name = node ? "the node" : gpu_name(view, drain.device);
    out.push_back({"device",
                   name + " takes nobody new; take it back when " +
                       (drain.reason.empty() ? "that is over" : "its fault is mended"),
                   "drained for " + lasting(view.at.wall - drain.since) +
                       (drain.reason.empty() ? "" : ": " + drain.reason),
                   node ? "headroom drain --undo"
                        : "headroom drain " + gpu_option(view, drain.device) + " --undo"});
  }
}

// ------------------------------------------------------------------------------------ leases

// What unloading could give to a waiter.
Bytes may_come_free(const View& view, Priority priority) {
  Bytes sum;
  for (const ModelView& model : view.models) {
    if (resident(model) && model.order > 0 && model.model.priority <= priority) {
      sum += model.size.gpu_memory;
    }
  }
  return sum;
}

void waiting(const View& view, std::vector<Advice>& out) {
  std::vector<const LeaseView*> all;
  for (const LeaseView& lease : view.leases) {
    const bool early = lease.lease.starts && !lease.lease.late;
    const bool waits = lease.lease.state == LeaseState::waiting && !early;
    if (waits && view.at.wall - lease.lease.asked.wall >= kLongWait) all.push_back(&lease);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const LeaseView* a, const LeaseView* b) { return a->place < b->place; });
  if (all.size() > kWaiters) all.resize(kWaiters);
  for (const LeaseView* lease : all) {
    const Lease& l = lease->lease;
    std::string reading = "waits for " + lasting(view.at.wall - l.asked.wall);
    if (lease->place > 0) reading += ", place " + std::to_string(lease->place);
    if (lease->earliest && *lease->earliest > view.at.wall) {
      reading += ", earliest in " + lasting(*lease->earliest - view.at.wall);
    }
    const Bytes wanted = l.needs.gpu_memory.value_or(Bytes());
    const bool free = wanted.count() > 0 && may_come_free(view, l.priority).count() > 0;
    std::string text = called(l) + (lease->why.empty() ? " waits" : ": " + lease->why);
    if (free) text += "; idle models could make room";
    out.push_back({"lease", std::move(text), std::move(reading),
                   free ? "headroom free" + option("--gpu-mem ", wanted) + " --priority " +
                              to_string(l.priority)
                        : "headroom lease show l-" + std::to_string(l.id)});
  }
}

// Of several devices each is booked alike.
std::string several(const std::vector<LeaseDevice>& devices) {
  Bytes each;
  for (const LeaseDevice& one : devices) {
    each = std::max({each, one.booked, one.measured.value_or(Bytes())});
  }
  return " --gpus " + std::to_string(devices.size()) + option("--gpu-mem ", each);
}

// A lease's booking, with each amount that was used beyond it raised to its use.
std::string resized(const LeaseView& view) {
  const Lease& l = view.lease;
  const auto larger = [&](Bytes Amounts::* amount) {
    const bool booked = (l.booked.*amount).count() > 0;
    return booked ? std::max(l.booked.*amount, (*view.measured).*amount) : Bytes();
  };
  std::string out = "headroom lease renew l-" + std::to_string(l.id) +
                    option("--mem ", larger(&Amounts::memory)) +
                    (view.devices.empty() ? option("--gpu-mem ", larger(&Amounts::gpu_memory))
                                          : several(view.devices));
  if (l.booked.cpu.milli() > 0) out += " --cpu " + tenths(l.booked.cpu.value(), "");
  return out;
}

void bookings(const View& view, std::vector<Advice>& out) {
  for (const LeaseView& lease : view.leases) {
    const Lease& l = lease.lease;
    if (l.state == LeaseState::ended || l.state == LeaseState::waiting) continue;
    if (lease.over && lease.measured) {
      std::string reading;
      const auto beyond = [&](const char* what, Bytes Amounts::* amount) {
        if ((l.booked.*amount).count() <= 0 || (*lease.measured).*amount <= l.booked.*amount) {
          return;
        }
        reading += (reading.empty() ? "uses " : ", ") + sized((*lease.measured).*amount) + " of " +
                   sized(l.booked.*amount) + " " + what;
      };
      beyond("memory", &Amounts::memory);
      beyond("GPU memory", &Amounts::gpu_memory);
      if (reading.empty()) reading = "uses more than it booked";
      // Disk bytes cannot be written as an option of this command alone.
      out.push_back({"lease", "book what " + called(l) + " uses", std::move(reading),
                     l.booked.disk.count() > 0 ? "" : resized(lease)});
    }
    if (!lease.idle.empty() && !l.return_idle) {
      out.push_back({"lease", "let " + called(l) + " return what it does not use", lease.idle,
                     "headroom lease renew l-" + std::to_string(l.id) + " --return-idle"});
    }
  }
}

// ------------------------------------------------------------------------------------ models

// A generic row stands for any model of a size: it is no model that one could run.
bool generic(const ModelView& model) {
  return model.source == "built in" && model.model.name.find('/') == std::string::npos;
}

// The device with the most room on which this model may be placed; null where it fits none.
const GpuReading* device_for(const View& view, const ModelView& model) {
  const GpuReading* best = nullptr;
  Bytes most;
  for (const GpuReading& gpu : view.sample->gpus) {
    const Bytes room = room_for(view, Resource::gpu_memory, gpu.id);
    // A device that does not tell its capability is not said to be too old.
    const bool able =
        model.model.compute <= 0 || !gpu.compute || *gpu.compute >= model.model.compute;
    if (!able || room < model.needs.gpu_memory || (best != nullptr && room <= most)) continue;
    best = &gpu;
    most = room;
  }
  return best;
}

void largest_that_fits(const View& view, std::vector<Advice>& out) {
  if (!view.sample || view.sample->gpus.empty()) return;
  const ModelView* largest = nullptr;
  const GpuReading* device = nullptr;
  int known = 0;
  const Bytes memory = room_for(view, Resource::memory, "");
  for (const ModelView& model : view.models) {
    if (model.state != ModelState::known || generic(model)) continue;
    if (model.needs.gpu_memory.count() <= 0) continue;
    ++known;
    if (model.needs.memory > memory) continue;
    if (largest != nullptr && model.needs.gpu_memory <= largest->needs.gpu_memory) continue;
    if (const GpuReading* gpu = device_for(view, model)) {
      largest = &model;
      device = gpu;
    }
  }
  if (known == 0) return;
  Bytes most;
  for (const GpuReading& gpu : view.sample->gpus) {
    most = std::max(most, room_for(view, Resource::gpu_memory, gpu.id));
  }
  if (largest == nullptr) {
    out.push_back({"model",
                   "none of the " + std::to_string(known) +
                       " models that are known and not in memory fits now",
                   "the most room of a GPU is " + sized(most) + ", of memory " + sized(memory),
                   "headroom status"});
    return;
  }
  out.push_back({"model",
                 largest->model.name + " is the largest model of those known that fits now",
                 "it needs " + sized(largest->needs.gpu_memory) + ", and GPU " +
                     std::to_string(device->index) + " has room for " +
                     sized(room_for(view, Resource::gpu_memory, device->id)),
                 command("headroom fit ", largest->model.name)});
}

// A batch takes at most in proportion to its size: the weights do not grow with it. Where there is
// room for the whole model again, twice the batch fits.
void larger_batches(const View& view, std::vector<Advice>& out) {
  for (const ModelView& model : view.models) {
    if (!resident(model) || model.lease == 0 || model.batch <= 0 || model.gpu.empty()) continue;
    const std::int64_t size = model.size.gpu_memory.count();
    const Bytes room = room_for(view, Resource::gpu_memory, model.gpu);
    if (size <= 0 || room.count() < size) continue;
    const auto factor =
        static_cast<int>(std::min<std::int64_t>(kLargestFactor, 1 + room.count() / size));
    const auto lease = std::find_if(view.leases.begin(), view.leases.end(),
                                    [&](const LeaseView& l) { return l.lease.id == model.lease; });
    if (lease == view.leases.end()) continue;
    LeaseView grown = *lease;
    grown.lease.booked.gpu_memory = Bytes(size * factor);
    grown.measured.emplace();
    out.push_back({"model",
                   model.model.name + " can work on batches of " +
                       std::to_string(model.batch * factor) + " instead of " +
                       std::to_string(model.batch) + ": book the memory for it",
                   "it takes " + sized(Bytes(size)) + " of " + gpu_name(view, model.gpu) +
                       ", which has room for " + sized(room) + " more",
                   grown.lease.booked.disk.count() > 0 ? "" : resized(grown)});
  }
}

// ------------------------------------------------------------------------- cost and calendar

std::string priced(const View& view, Money money) {
  char text[48];
  std::snprintf(text, sizeof text, "%.2f", money.value());
  const std::string& currency = view.config->cost.currency;
  return currency.empty() ? text : text + (" " + currency);
}

void budget(const View& view, std::vector<Advice>& out) {
  if (!view.cost || !view.cost->spent_at) return;
  const CostView& cost = *view.cost;
  const std::string sums = priced(view, cost.spent) + " of " + priced(view, cost.budget) +
                           " are spent, at " + priced(view, cost.per_hour) + " an hour";
  std::string when;
  append_rfc3339(when, *cost.spent_at);
  const bool is_spent = cost.spent >= cost.budget;
  out.push_back({"budget",
                 is_spent ? "the month's budget is spent: end what can wait for the next one"
                          : "the month's budget is spent before the month is over: at " + when,
                 sums, "headroom lease -o wide"});
}

void idle_cost(const View& view, std::vector<Advice>& out) {
  if (!view.cost || view.cost->per_hour <= Money()) return;
  const double booked = view.cost->leases_per_hour.value() / view.cost->per_hour.value();
  if (booked > 0) return;
  out.push_back({"cost", "nothing is booked: the machine costs the same as when it works",
                 priced(view, view.cost->per_hour) + " an hour", ""});
}

std::string clock(int hour) {
  char text[16];
  std::snprintf(text, sizeof text, "%02d:00", hour);
  return text;
}

void peak_hours(const View& view, std::vector<Advice>& out) {
  for (const PeakHours& one : view.peaks) {
    const auto colon = one.series.find(':');
    std::string name = one.series.substr(0, colon);
    if (colon != std::string::npos) name += " of " + gpu_name(view, one.series.substr(colon + 1));
    std::replace(name.begin(), name.end(), '_', ' ');
    out.push_back({"peak hours",
                   "move what can wait from " + clock(one.peak_from) + "-" + clock(one.peak_to) +
                       " to " + clock(one.quiet_from) + "-" + clock(one.quiet_to),
                   name + ": " + tenths(one.peak, " %") + " from " + clock(one.peak_from) + ", " +
                       tenths(one.quiet, " %") + " from " + clock(one.quiet_from) +
                       ", mean of the last " + std::to_string(one.days) + " days",
                   "headroom run --at " + clock(one.quiet_from) + " --mem 1G -- COMMAND"});
  }
}

}  // namespace

std::vector<Advice> advice(const View& view) {
  std::vector<Advice> out;
  tight(view, out);
  drained(view, out);
  waiting(view, out);
  bookings(view, out);
  largest_that_fits(view, out);
  larger_batches(view, out);
  budget(view, out);
  idle_cost(view, out);
  peak_hours(view, out);
  if (out.size() > kMostAdvice) out.resize(kMostAdvice);
  return out;
}

std::vector<std::string> suggestions(const View& view) {
  const auto tight = [&](Resource resource) {
    return std::any_of(view.pressures.begin(), view.pressures.end(), [&](const Pressure& p) {
      return p.resource == resource && p.level != Level::ok;
    });
  };
  std::vector<std::string> out;
  if (tight(Resource::memory)) {
    out.insert(out.end(),
               {"High CPU memory usage detected:", "- Consider reducing model cache size",
                "- Enable model offloading to disk", "- Use smaller model variants"});
  }
  if (tight(Resource::gpu_memory)) {
    out.insert(out.end(), {"High GPU memory usage detected:", "- Reduce the batch size",
                           "- Use half precision (float16) where the model allows it",
                           "- Unload models that are not in use"});
  }
  if (tight(Resource::gpu_temperature)) {
    out.insert(out.end(), {"High GPU temperature detected:", "- Look after the cooling",
                           "- Place no more work on this device"});
  }
  return out;
}

int optimal_batch(const View& view, std::string_view name) {
  const auto model = std::find_if(view.models.begin(), view.models.end(), [&](const ModelView& m) {
    return m.model.name == name && m.batch > 0;
  });
  if (model == view.models.end() || !view.sample) return 0;
  const bool fits =
      std::any_of(view.sample->gpus.begin(), view.sample->gpus.end(), [&](const GpuReading& gpu) {
        return gpu.memory_used && gpu.memory_total - *gpu.memory_used >= model->needs.gpu_memory;
      });
  return fits ? model->batch : 0;
}

}  // namespace headroom::serve
