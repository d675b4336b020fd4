// Sets of jobs and the machines they run on, made from a seed.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace headroom::schedule {

enum class Family { uniform, heavy, two_class, big_head, equal };
inline constexpr Family kFamilies[] = {Family::uniform, Family::heavy, Family::two_class,
                                       Family::big_head};
const char* to_string(Family family);

enum class Kind { memory, one_gpu, two_gpus, unequal_gpus, many_gpus };
inline constexpr Kind kKinds[] = {Kind::memory, Kind::one_gpu, Kind::two_gpus, Kind::unequal_gpus};
const char* to_string(Kind kind);

/// On which nothing was developed: equal jobs on each machine, and each family on eight GPUs.
inline constexpr std::pair<Family, Kind> kOthers[] = {
    {Family::equal, Kind::memory},      {Family::equal, Kind::one_gpu},
    {Family::equal, Kind::two_gpus},    {Family::equal, Kind::unequal_gpus},
    {Family::equal, Kind::many_gpus},   {Family::uniform, Kind::many_gpus},
    {Family::heavy, Kind::many_gpus},   {Family::two_class, Kind::many_gpus},
    {Family::big_head, Kind::many_gpus}};

/// What can be booked of a machine, in MiB and whole cores.
struct Box {
  std::int64_t memory = 0;
  std::int64_t cores = 0;
  std::vector<std::int64_t> gpus;
};

/// What one job takes for how long. `gpu` is memory on one device, 0: none.
struct Job {
  std::int64_t memory = 0;
  std::int64_t gpu = 0;
  std::int64_t cores = 0;
  std::int64_t seconds = 0;
};

struct Instance {
  Box box;
  std::vector<Job> jobs;  ///< in the order they are submitted
};

/// `scale` multiplies every duration: 1 gives jobs of seconds to a minute or two.
Instance make_instance(Family family, Kind kind, int jobs, std::uint64_t seed, int scale = 1);

}  // namespace headroom::schedule
