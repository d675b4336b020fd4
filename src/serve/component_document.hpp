// Components, their quotas and what they were asked to set, as JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "serve/cost_document.hpp"
#include "serve/lists.hpp"
#include "words/effect.hpp"
#include "words/view.hpp"

namespace headroom::serve {

/// Units of the allocator, as people and setters count them.
inline double in_unit(Allotted what, std::int64_t units) {
  return static_cast<double>(units) / facts_of(what).scale;
}
inline std::optional<double> in_unit(Allotted what, const std::optional<std::int64_t>& units) {
  return units ? std::optional(in_unit(what, *units)) : std::nullopt;
}
inline std::optional<double> in_unit_unless_zero(Allotted what, std::int64_t units) {
  return units == 0 ? std::nullopt : std::optional(in_unit(what, units));
}

struct AmountForecast {
  const AllottedView& view;
};
struct AmountDocument {
  const AllottedView& view;
};
struct SetterDocument {
  const Setter& setter;
  std::optional<double> value;
};
struct AsksDocument {
  const ComponentView& view;
};
/// Bounds of a quota as they count, in one of its windows or outside of them.
struct BoundsDocument {
  Allotted what = Allotted::cpu;
  std::optional<double> amount, least, most;
};
struct QuotaWindowDocument {
  const QuotaWindow& window;
  std::vector<BoundsDocument> bounds;
};
struct QuotaDocument {
  const Component& component;
  std::vector<BoundsDocument> bounds;
  std::vector<QuotaWindowDocument> windows;
};
struct ComponentDocument {
  const ComponentView& view;
  std::vector<AmountDocument> amounts;
  std::vector<SetterDocument> setters;
  QuotaDocument quota;
};
struct DecisionDocument {
  const Decision& decision;
};
struct CallValue {
  double value = 0;
};
struct CallDocument {
  const CallSetter& call;
};
struct TakenCall {
  std::uint64_t id = 0;
};

inline BoundsDocument bounds_document(Allotted what, const QuotaParts& parts) {
  const QuotaPart& part = parts[index_of(what)];
  return {what, in_unit_unless_zero(what, part.amount), in_unit_unless_zero(what, part.least),
          in_unit_unless_zero(what, part.most)};
}
inline QuotaDocument quota_document(const ComponentView& view) {
  QuotaDocument document{view.component, {}, {}};
  for (const AllottedView& one : view.allotted) {
    document.bounds.push_back(bounds_document(one.what, view.bounds));
  }
  const std::vector<QuotaWindow>& windows = view.component.quota.windows;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    QuotaWindowDocument& window = document.windows.emplace_back(windows[i]);
    for (const Allotted what : kAllAllotted) {
      if (windows[i].parts[index_of(what)] == QuotaPart()) continue;
      window.bounds.push_back(bounds_document(what, view.window_bounds[i]));
    }
  }
  return document;
}
inline ComponentDocument component_document(const ComponentView& view) {
  ComponentDocument document{view, {}, {}, quota_document(view)};
  for (const AllottedView& one : view.allotted) document.amounts.push_back({one});
  for (const Setter& setter : view.component.setters) {
    const auto value = view.values.find(setter.name);
    document.setters.push_back(
        {setter, value == view.values.end() ? std::nullopt : std::optional(value->second)});
  }
  return document;
}

template <>
struct Described<AmountForecast> {
  using D = AmountForecast;
  static constexpr std::string_view name = "AmountForecast";
  static constexpr auto fields = std::tuple{
      Field{"value", "Expected.", [](const D& d) { return in_unit(d.view.what, d.view.forecast); }},
      Field{"lo", "From lo to hi it lies with 90 % probability.",
            [](const D& d) { return in_unit(d.view.what, d.view.forecast_lo); }},
      Field{"hi", "", [](const D& d) { return in_unit(d.view.what, d.view.forecast_hi); }},
      Field{"horizon_seconds", "From now.", [](const D&) { return 900; }},
      Field{"confidence",
            "The probability that it will lie within 10 % of value; null: nothing was judged yet.",
            [](const D& d) { return d.view.sure; }},
      Field{"relative_error",
            "Mean absolute error until now over that of assuming that the last value stays; 1: no "
            "better.",
            [](const D& d) { return d.view.error; }},
  };
};

template <>
struct Described<AmountDocument> {
  using D = AmountDocument;
  static constexpr std::string_view name = "ComponentAmount";
  static constexpr auto fields = std::tuple{
      Field{"resource", "cpu, memory, disk_iops or network.",
            [](const D& d) { return facts_of(d.view.what).name; }},
      Field{"unit", "Of all amounts: % of the node's processors, MB (2^20 bytes), 1/s, MB/s.",
            [](const D& d) { return facts_of(d.view.what).unit; }},
      Field{"allocation", "What it has been given.",
            [](const D& d) { return in_unit(d.view.what, d.view.has); }},
      Field{"asked", "What it was asked to have, and has not answered.",
            [](const D& d) { return in_unit(d.view.what, d.view.asked); }},
      Field{"demand", "What it would be given if there were enough; null: nobody knows.",
            [](const D& d) { return in_unit(d.view.what, d.view.demand); }},
      Field{"used", "Measured, or told by it; null: nobody knows.",
            [](const D& d) { return in_unit(d.view.what, d.view.used); }},
      Field{"amount", "Of its quota now: what it is meant to have; null: not said.",
            [](const D& d) { return in_unit_unless_zero(d.view.what, d.view.amount); }},
      Field{"least", "Of its quota now.",
            [](const D& d) { return in_unit(d.view.what, d.view.least); }},
      Field{"most", "Of its quota now; null: nothing bounds it.",
            [](const D& d) { return in_unit(d.view.what, d.view.most); }},
      Field{"lent", "Of its amount, that others may use until it is wanted back.",
            [](const D& d) { return in_unit(d.view.what, d.view.lent); }},
      Field{"method", "What its demand was told from.",
            [](const D& d) { return MaybeText{d.view.method}; }},
      Field{"confidence", "Of its demand, 0 to 1; it rises with what was seen.",
            [](const D& d) { return d.view.confidence; }},
      Field{"forecast", "null: too little was seen.",
            [](const D& d) {
              return d.view.forecast ? std::optional(AmountForecast{d.view}) : std::nullopt;
            }},
      Field{"accuracy", "Share of what came that lay from lo to hi; null: nothing was judged yet.",
            [](const D& d) { return d.view.accuracy; }},
  };
};

template <>
struct Described<SetterDocument> {
  using D = SetterDocument;
  static constexpr std::string_view name = "Setter";
  static constexpr auto fields = std::tuple{
      Field{"name", "", [](const D& d) -> const auto& { return d.setter.name; }},
      Field{"unit", "", [](const D& d) { return MaybeText{d.setter.unit}; }},
      Field{"least", "Where the allocation that it follows is at its least.",
            [](const D& d) { return d.setter.least; }},
      Field{"most", "", [](const D& d) { return d.setter.most; }},
      Field{"follows", "The resource whose allocation it follows.",
            [](const D& d) { return facts_of(d.setter.follows).name; }},
      Field{"whole", "Only whole numbers are set.", [](const D& d) { return d.setter.whole; }},
      Field{"value", "That was set last; null: none yet.", [](const D& d) { return d.value; }},
  };
};

template <>
struct Described<AsksDocument> {
  using D = AsksDocument;
  static constexpr std::string_view name = "ComponentAsks";
  static constexpr auto fields = std::tuple{
      Field{"asked", "Since the daemon started.", [](const D& d) { return d.view.asked; }},
      Field{"applied", "", [](const D& d) { return d.view.applied; }},
      Field{"failed", "It said no, or nobody listened.", [](const D& d) { return d.view.failed; }},
      Field{"timed_out", "", [](const D& d) { return d.view.timed_out; }},
      Field{"answers_in_seconds", "The last time.",
            [](const D& d) {
              return d.view.answers_in
                         ? std::optional(std::chrono::duration<double>(*d.view.answers_in).count())
                         : std::nullopt;
            }},
  };
};

template <>
struct Described<BoundsDocument> {
  using D = BoundsDocument;
  static constexpr std::string_view name = "QuotaBounds";
  static constexpr auto fields = std::tuple{
      Field{"resource", "", [](const D& d) { return facts_of(d.what).name; }},
      Field{"unit", "", [](const D& d) { return facts_of(d.what).unit; }},
      Field{"amount", "What it is meant to have while nothing better is known; null: not said.",
            &D::amount},
      Field{"least", "As configured where it is not said.", &D::least},
      Field{"most", "Likewise; null: nothing bounds it.", &D::most},
  };
};

template <>
struct Described<QuotaWindowDocument> {
  using D = QuotaWindowDocument;
  static constexpr std::string_view name = "QuotaWindow";
  static constexpr auto fields = std::tuple{
      Field{"during", "Times of the week, by the node's clock on the wall.",
            [](const D& d) -> const auto& { return d.window.during; }},
      Field{"priority", "null: as at other times.",
            [](const D& d) -> const auto& { return d.window.priority; }},
      Field{"resources", "What is other than at other times, with all its bounds then.",
            &D::bounds},
  };
};

template <>
struct Described<QuotaDocument> {
  using D = QuotaDocument;
  static constexpr std::string_view name = "Quota";
  static constexpr auto fields = std::tuple{
      Field{"component", "", [](const D& d) -> const auto& { return d.component.name; }},
      Field{"priority", "", [](const D& d) { return d.component.quota.priority; }},
      Field{"enforce", "The kernel holds its processes to its allocation.",
            [](const D& d) { return d.component.quota.enforce; }},
      Field{"buffer_percent", "Added over its demand; null: the strategy's.",
            [](const D& d) {
              const auto& buffer = d.component.quota.buffer;
              return buffer ? std::optional(100 * *buffer) : std::nullopt;
            }},
      Field{"resources", "As they count outside of these times.", &D::bounds},
      Field{"windows", "Other bounds at times of the week; the first one whose time it is counts.",
            &D::windows},
  };
};

template <>
struct Described<ComponentDocument> {
  using D = ComponentDocument;
  static constexpr std::string_view name = "Component";
  static constexpr auto fields = std::tuple{
      Field{"name", "", [](const D& d) -> const auto& { return d.view.component.name; }},
      Field{"owner", "A uid.", [](const D& d) { return d.view.component.owner; }},
      Field{"state",
            "known: it has a quota and is not registered; registered: nobody listens for what it "
            "is asked; connected; unresponsive: it did not answer three times in a row.",
            [](const D& d) { return d.view.state; }},
      Field{"priority", "In force now.", [](const D& d) { return d.view.priority; }},
      Field{"window", "The times whose bounds are in force; null: the usual ones are.",
            [](const D& d) { return MaybeText{d.view.window}; }},
      Field{"pid", "Whose end is its own; null: it is gone when it is not heard of for a minute.",
            [](const D& d) {
              const pid_t pid = d.view.component.holder.pid;
              return pid == 0 ? std::nullopt : std::optional(pid);
            }},
      Field{"lease", "That measures it.",
            [](const D& d) { return LeaseRef{d.view.component.lease}; }},
      Field{"since", "Registered.",
            [](const D& d) {
              return d.view.component.registered ? std::optional(d.view.component.since)
                                                 : std::nullopt;
            }},
      Field{"heard", "Of it, last.", [](const D& d) -> const auto& { return d.view.heard; }},
      Field{"setters", "", &D::setters},
      Field{"resources", "", &D::amounts},
      Field{"asks", "", [](const D& d) { return AsksDocument{d.view}; }},
      Field{"problem", "Why it does not do what it is asked.",
            [](const D& d) { return MaybeText{d.view.problem}; }},
      Field{"quota", "", &D::quota},
      Field{"cost", "Of its own lease until now; null: nothing has a price, or it has none.",
            [](const D& d) { return value_of(d.view.cost); }},
      Field{"cost_per_hour", "", [](const D& d) { return value_of(d.view.cost_per_hour); }},
  };
};

template <>
struct Described<ListOf<ComponentDocument>> {
  static constexpr std::string_view name = "Components";
  static constexpr auto fields = kListFields<ComponentDocument>;
};

template <>
struct Described<DecisionDocument> {
  using D = DecisionDocument;
  static constexpr std::string_view name = "Decision";
  static constexpr auto fields = std::tuple{
      Field{"id", "Of the ask; all that was asked together has the same.",
            [](const D& d) { return d.decision.id; }},
      Field{"component", "", [](const D& d) -> const auto& { return d.decision.component; }},
      Field{"at", "", [](const D& d) { return d.decision.at; }},
      Field{"resource", "", [](const D& d) { return facts_of(d.decision.what).name; }},
      Field{"unit", "", [](const D& d) { return facts_of(d.decision.what).unit; }},
      Field{"old", "", [](const D& d) { return in_unit(d.decision.what, d.decision.from); }},
      Field{"new", "", [](const D& d) { return in_unit(d.decision.what, d.decision.to); }},
      Field{"applied", "What it really set; null: nothing.",
            [](const D& d) { return in_unit(d.decision.what, d.decision.applied); }},
      Field{"outcome", "", [](const D& d) { return d.decision.outcome; }},
      Field{"reason", "", [](const D& d) -> const auto& { return d.decision.reason; }},
      Field{"confidence", "Of the demand that it follows, 0 to 1.",
            [](const D& d) { return d.decision.confidence; }},
      Field{"took_seconds", "Until it was answered.",
            [](const D& d) { return std::chrono::duration<double>(d.decision.took).count(); }},
  };
};

template <>
struct Described<ListOf<DecisionDocument>> {
  static constexpr std::string_view name = "Decisions";
  static constexpr auto fields = kListFields<DecisionDocument>;
};

template <>
struct Described<CallDocument> {
  using D = CallDocument;
  static constexpr std::string_view name = "SetterAsk";
  static constexpr auto fields = std::tuple{
      Field{"id", "For the answer.", [](const D& d) { return d.call.ask; }},
      Field{"component", "", [](const D& d) -> const auto& { return d.call.component; }},
      Field{"values", "What its setters are to set, by name.",
            [](const D& d) {
              Keyed<double> values;
              for (const CallSetter::Value& one : d.call.values) {
                values.items.emplace_back(one.setter, one.to);
              }
              return values;
            }},
      Field{"reason", "", [](const D& d) -> const auto& { return d.call.reason; }},
      Field{"within_seconds", "Later answers count as none.",
            [](const D& d) { return std::chrono::duration<double>(d.call.within).count(); }},
  };
};

template <>
struct Described<TakenCall> {
  static constexpr std::string_view name = "TakenCall";
  static constexpr auto fields = std::tuple{
      Field{"id", "The ask that was answered.", &TakenCall::id},
  };
};

}  // namespace headroom::serve
