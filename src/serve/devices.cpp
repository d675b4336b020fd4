#include "serve/devices.hpp"

#include "serve/lists.hpp"
#include "serve/readings.hpp"

namespace headroom::serve {
namespace {

// A reading that knows itself to be a device; a copy, which a page of devices can afford.
struct GpuDevice : GpuReading {};
struct FilesystemDevice : FilesystemReading {};
struct DiskDevice : DiskReading {};
struct InterfaceDevice : NetworkReading {};
using Device = std::variant<GpuDevice, FilesystemDevice, DiskDevice, InterfaceDevice>;

// The words a `kind` can have: one each, so that a schema tells the kinds apart.
enum class GpuKind { gpu };
constexpr const char* to_string(GpuKind) { return "gpu"; }
enum class FilesystemKind { filesystem };
constexpr const char* to_string(FilesystemKind) { return "filesystem"; }
enum class DiskKind { disk };
constexpr const char* to_string(DiskKind) { return "disk"; }
enum class InterfaceKind { interface };
constexpr const char* to_string(InterfaceKind) { return "interface"; }

}  // namespace

template <>
struct Described<GpuDevice> {
  static constexpr std::string_view name = "GpuDevice";
  static constexpr auto fields = std::tuple_cat(
      std::tuple{
          Field{"kind", "", [](const GpuDevice&) { return GpuKind(); }},
          Field{"id", "UUID.", &GpuReading::id},
          Field{"name", "How it is shown.",
                [](const GpuDevice& g) { return "GPU " + std::to_string(g.index); }},
          Field{"model", "The product.",
                [](const GpuDevice& g) -> const auto& {
                  return static_cast<const GpuReading&>(g).name;
                }},
          Field{"index", "In the order of the PCI bus.", &GpuReading::index},
      },
      kGpuReadings);
};

template <>
struct Described<FilesystemDevice> {
  static constexpr std::string_view name = "FilesystemDevice";
  static constexpr auto fields = std::tuple_cat(
      std::tuple{Field{"kind", "", [](const FilesystemDevice&) { return FilesystemKind(); }},
                 Field{"id", "Where it is mounted.", &FilesystemReading::mount},
                 Field{"name", "", &FilesystemReading::mount}},
      kFilesystemReadings);
};

template <>
struct Described<DiskDevice> {
  static constexpr std::string_view name = "DiskDevice";
  static constexpr auto fields = std::tuple_cat(
      std::tuple{Field{"kind", "", [](const DiskDevice&) { return DiskKind(); }},
                 Field{"id", "", &DiskReading::name}, Field{"name", "", &DiskReading::name}},
      kDiskReadings);
};

template <>
struct Described<InterfaceDevice> {
  static constexpr std::string_view name = "InterfaceDevice";
  static constexpr auto fields = std::tuple_cat(
      std::tuple{Field{"kind", "", [](const InterfaceDevice&) { return InterfaceKind(); }},
                 Field{"id", "", &NetworkReading::name}, Field{"name", "", &NetworkReading::name}},
      kNetworkReadings);
};

template <>
struct Described<ListOf<Device>> {
  static constexpr std::string_view name = "Devices";
  static constexpr auto fields = kListFields<Device>;
};

std::string find_gpu(const View& view, std::string_view id) {
  if (!view.sample) return {};
  const std::string_view number = id.starts_with("gpu") ? id.substr(3) : id;
  for (const GpuReading& gpu : view.sample->gpus) {
    if (gpu.id == id || std::to_string(gpu.index) == number) return gpu.id;
  }
  return {};
}

namespace {

ListOf<Device> devices(const View& view) {
  ListOf<Device> list;
  if (!view.sample) return list;
  for (const auto& one : view.sample->gpus) list.items.emplace_back(GpuDevice{one});
  for (const auto& one : view.sample->filesystems) list.items.emplace_back(FilesystemDevice{one});
  for (const auto& one : view.sample->disks) list.items.emplace_back(DiskDevice{one});
  for (const auto& one : view.sample->networks) list.items.emplace_back(InterfaceDevice{one});
  return list;
}

}  // namespace

void write_devices(Json& json, const View& view) { put(json, devices(view)); }

bool write_device(Json& json, const View& view, std::string_view id) {
  const std::string gpu = find_gpu(view, id);
  const std::string_view wanted = gpu.empty() ? id : std::string_view(gpu);
  for (const Device& device : devices(view).items) {
    const bool it_is = std::visit(
        [&](const auto& one) {
          if constexpr (requires { one.mount; }) {
            return one.mount == wanted;
          } else if constexpr (requires { one.id; }) {
            return one.id == wanted;
          } else {
            return one.name == wanted;
          }
        },
        device);
    if (!it_is) continue;
    put(json, device);
    return true;
  }
  return false;
}

void describe_devices(Schemas& all) {
  (void)schema_of<ListOf<Device>>(all);
  all.set("Device", schema_of<Device>(all).text());
}

}  // namespace headroom::serve
