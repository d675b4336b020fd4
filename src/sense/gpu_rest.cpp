#include "sense/gpu_rest.hpp"

namespace headroom::sense {

RestStep GpuRest::step(bool managed, bool suspended) {
  if (suspended) {
    step_ = RestStep::asleep;
    count_ = 0;
    tries_ = 0;
    return step_;
  }
  if (!managed) {  // it will not fall asleep whatever we do
    step_ = RestStep::hold;
    count_ = 0;
    return step_;
  }
  switch (step_) {
    case RestStep::asleep:
      if (++count_ < kAwakeReads) return RestStep::rest;
      step_ = RestStep::hold;
      count_ = 0;
      break;
    case RestStep::rest:
      if (++count_ < kPatience) break;
      step_ = RestStep::hold;
      count_ = 0;
      ++tries_;
      break;
    case RestStep::hold: {
      int wanted = kIdleReads;
      for (int i = 0; i < tries_; ++i) wanted *= 10;
      if (tries_ >= kMostTries || count_ < wanted) break;
      step_ = RestStep::rest;
      count_ = 0;
      break;
    }
  }
  return step_;
}

void GpuRest::seen(bool in_use) {
  if (step_ != RestStep::hold) return;
  count_ = in_use ? 0 : count_ + 1;
}

}  // namespace headroom::sense
