#include "instance.hpp"

#include <algorithm>
#include <cmath>

#include "random.hpp"

namespace headroom::schedule {
namespace {

// A share of a machine in thousandths, and seconds.
struct Shape {
  std::int64_t share = 0;
  std::int64_t seconds = 0;
};

// From `least` to `most`, small ones often and large ones seldom (a Pareto tail of index 1).
std::int64_t heavy(simulate::Random& random, std::int64_t least, std::int64_t most) {
  const double u = static_cast<double>(random.below(1'000'000) + 1) / 1'000'000.0;
  return std::min(most, static_cast<std::int64_t>(static_cast<double>(least) / u));
}

Shape shape_of(Family family, int index, simulate::Random& random) {
  switch (family) {
    case Family::uniform:
      return {random.between(50, 500), random.between(5, 60)};
    case Family::heavy:
      return {heavy(random, 60, 900), heavy(random, 5, 120)};
    case Family::two_class:
      if (random.percent(30)) return {random.between(350, 600), random.between(30, 60)};
      return {random.between(40, 120), random.between(5, 15)};
    case Family::big_head:
      if (index == 0) return {random.between(900, 1000), random.between(20, 40)};
      return {random.between(50, 300), random.between(5, 60)};
    case Family::equal:
      return {280, 30};
  }
  return {};
}

}  // namespace

const char* to_string(Family family) {
  switch (family) {
    case Family::uniform:
      return "uniform";
    case Family::heavy:
      return "heavy-tailed";
    case Family::two_class:
      return "two classes";
    case Family::big_head:
      return "one big head";
    case Family::equal:
      return "equal";
  }
  return "";
}

const char* to_string(Kind kind) {
  switch (kind) {
    case Kind::memory:
      return "memory";
    case Kind::one_gpu:
      return "1 GPU";
    case Kind::two_gpus:
      return "2 GPUs";
    case Kind::unequal_gpus:
      return "24+12 GiB";
    case Kind::many_gpus:
      return "8 x 12 GiB";
  }
  return "";
}

Instance make_instance(Family family, Kind kind, int jobs, std::uint64_t seed, int scale) {
  simulate::Random random(seed * 1000003 + static_cast<std::uint64_t>(family) * 101 +
                          static_cast<std::uint64_t>(kind) * 11 + static_cast<std::uint64_t>(jobs));
  Instance instance;
  Box& box = instance.box;
  box.memory = 64 * 1024;
  box.cores = 32;
  if (kind == Kind::one_gpu) box.gpus = {24 * 1024};
  if (kind == Kind::two_gpus) box.gpus = {24 * 1024, 24 * 1024};
  if (kind == Kind::unequal_gpus) box.gpus = {24 * 1024, 12 * 1024};
  if (kind == Kind::many_gpus) {
    box = {512 * 1024, 128, std::vector<std::int64_t>(8, 12 * 1024)};
  }
  for (int i = 0; i < jobs; ++i) {
    const Shape shape = shape_of(family, i, random);
    Job job;
    job.seconds = shape.seconds * scale;
    job.cores = random.between(0, 2);
    if (kind == Kind::memory || random.percent(20)) {
      job.memory = std::max<std::int64_t>(1, box.memory * shape.share / 1000);
    } else {
      // Most work is on the devices, and takes little of the machine's own memory.
      job.gpu = std::max<std::int64_t>(1, box.gpus[0] * shape.share / 1000);
      job.memory = box.memory * random.between(10, 80) / 1000;
    }
    instance.jobs.push_back(job);
  }
  return instance;
}

}  // namespace headroom::schedule
