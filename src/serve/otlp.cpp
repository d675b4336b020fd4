#include "serve/otlp.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "serve/json.hpp"
#include "serve/metric.hpp"
#include "serve/protobuf.hpp"

namespace headroom::serve {
namespace {

using std::string_view;

// A field of OpenTelemetry's schema (opentelemetry-proto 1.x), in both encodings.
struct Field {
  int number;
  string_view name;
};

constexpr Field kResourceMetrics{1, "resourceMetrics"};
constexpr Field kResource{1, "resource"}, kScopeMetrics{2, "scopeMetrics"};
constexpr Field kResourceAttributes{1, "attributes"};
constexpr Field kScope{1, "scope"}, kMetrics{2, "metrics"};
constexpr Field kScopeName{1, "name"}, kScopeVersion{2, "version"};
constexpr Field kName{1, "name"}, kDescription{2, "description"}, kUnit{3, "unit"};
constexpr Field kGauge{5, "gauge"}, kSum{7, "sum"}, kHistogram{9, "histogram"};
constexpr Field kDataPoints{1, "dataPoints"};
constexpr Field kTemporality{2, "aggregationTemporality"}, kMonotonic{3, "isMonotonic"};
constexpr Field kStart{2, "startTimeUnixNano"}, kTime{3, "timeUnixNano"};
constexpr Field kDouble{4, "asDouble"}, kInt{6, "asInt"}, kAttributes{7, "attributes"};
constexpr Field kCount{4, "count"}, kTotal{5, "sum"}, kBucketCounts{6, "bucketCounts"};
constexpr Field kBounds{7, "explicitBounds"}, kHistogramAttributes{9, "attributes"};
constexpr Field kKey{1, "key"}, kValue{2, "value"}, kString{1, "stringValue"};
constexpr std::uint64_t kCumulative = 2;

// The two encodings take the same words: a message, a list of messages, and plain fields.
class ProtobufWriter {
 public:
  explicit ProtobufWriter(std::string& out) : proto_(out) {}
  void begin() {}
  void end() {}
  void open(Field field) { proto_.open(field.number); }
  void close() { proto_.close(); }
  void list(Field) {}
  void end_list() {}
  void item(Field field) { proto_.open(field.number); }
  void text(Field field, string_view value) {
    clean_.clear();
    append_utf8(clean_, value);
    proto_.text(field.number, clean_);
  }
  void fixed(Field field, std::uint64_t value) { proto_.fixed(field.number, value); }
  void whole(Field field, std::int64_t value) {
    proto_.fixed(field.number, static_cast<std::uint64_t>(value));
  }
  void real(Field field, double value) { proto_.real(field.number, value); }
  void enumerator(Field field, std::uint64_t value) { proto_.number(field.number, value); }
  void boolean(Field field, bool value) { proto_.number(field.number, value ? 1 : 0); }
  void fixed(Field field, std::span<const std::uint64_t> values) {
    proto_.fixed(field.number, values);
  }
  void real(Field field, std::span<const double> values) { proto_.real(field.number, values); }

 private:
  Protobuf proto_;
  std::string clean_;
};

// Protobuf's JSON: 64-bit integers are texts, enumerations are numbers.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : json_(out) {}
  void begin() { json_.open(); }
  void end() { json_.close(); }
  void open(Field field) { json_.open(field.name); }
  void close() { json_.close(); }
  void list(Field field) { json_.list(field.name); }
  void end_list() { json_.end_list(); }
  void item(Field) { json_.open(); }
  void text(Field field, string_view value) { json_.text(field.name, value); }
  void fixed(Field field, std::uint64_t value) { json_.text(field.name, digits(value)); }
  void whole(Field field, std::int64_t value) { json_.text(field.name, digits(value)); }
  void real(Field field, double value) { json_.raw(field.name, digits(value)); }
  void enumerator(Field field, std::uint64_t value) { json_.number(field.name, value); }
  void boolean(Field field, bool value) { json_.boolean(field.name, value); }
  void fixed(Field field, std::span<const std::uint64_t> values) {
    json_.list(field.name);
    for (const std::uint64_t value : values) json_.text(digits(value));
    json_.end_list();
  }
  void real(Field field, std::span<const double> values) {
    json_.list(field.name);
    for (const double value : values) json_.raw(digits(value));
    json_.end_list();
  }

 private:
  template <class Number>
  string_view digits(Number value) {
    const auto [end, error] = std::to_chars(digits_, digits_ + sizeof digits_, value);
    (void)error;  // 64 bits have at most 24 characters
    return {digits_, static_cast<std::size_t>(end - digits_)};
  }

  Json json_;
  char digits_[40] = {};
};

std::uint64_t nanoseconds(WallTime time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.time_since_epoch().count()));
}

template <class Writer>
void attribute(Writer& out, Field list, string_view key, string_view value) {
  out.item(list);
  out.text(kKey, key);
  out.open(kValue);
  out.text(kString, value);
  out.close();
  out.close();
}

template <class Writer>
class OtlpSink final : public MetricSink {
 public:
  OtlpSink(Writer& out, const MetricFacts& facts)
      : out_(out),
        now_(nanoseconds(facts.now.wall)),
        sampled_(facts.sample != nullptr ? nanoseconds(facts.sample->at.wall) : now_),
        started_(nanoseconds(facts.node.started.wall)),
        booted_(nanoseconds(facts.now.wall - facts.now.boot.time_since_epoch())) {}

  void write(const MetricFamily& family, const MetricFacts& facts) {
    family_ = &family;
    begun_ = false;
    // What headroom says of itself is of now; a reading is as old as its sample.
    time_ = family.name.starts_with("headroom.") ? now_ : sampled_;
    family.read(facts, *this);
    if (!begun_) return;
    out_.end_list();
    if (family.kind != MetricKind::gauge) out_.enumerator(kTemporality, kCumulative);
    if (family.kind == MetricKind::counter) out_.boolean(kMonotonic, true);
    out_.close();
    out_.close();
  }

  void whole(MetricLabels labels, std::int64_t value) override {
    point();
    out_.whole(kInt, value);
    attributes(kAttributes, labels);
    out_.close();
  }
  void real(MetricLabels labels, double value) override {
    if (!std::isfinite(value)) return;
    point();
    out_.real(kDouble, value);
    attributes(kAttributes, labels);
    out_.close();
  }
  void spread(MetricLabels labels, const Histogram& values) override {
    point();
    out_.fixed(kCount, values.count());
    out_.real(kTotal, values.sum());
    out_.fixed(kBucketCounts, values.buckets());
    out_.real(kBounds, values.bounds());
    attributes(kHistogramAttributes, labels);
    out_.close();
  }

 private:
  void point() {
    if (!begun_) {
      begun_ = true;
      out_.item(kMetrics);
      out_.text(kName, family_->name);
      out_.text(kDescription, family_->help);
      if (!family_->unit.empty()) out_.text(kUnit, family_->unit);
      out_.open(family_->kind == MetricKind::gauge       ? kGauge
                : family_->kind == MetricKind::histogram ? kHistogram
                                                         : kSum);
      out_.list(kDataPoints);
    }
    out_.item(kDataPoints);
    if (family_->kind != MetricKind::gauge) {
      out_.fixed(kStart, family_->since == MetricSince::boot ? booted_ : started_);
    }
    out_.fixed(kTime, time_);
  }
  void attributes(Field list, MetricLabels labels) {
    if (std::all_of(labels.begin(), labels.end(), [](string_view l) { return l.empty(); })) return;
    out_.list(list);
    std::size_t i = 0;
    for (const string_view label : labels) {
      const string_view key = family_->attributes[i++];
      if (!label.empty()) attribute(out_, list, key, label);
    }
    out_.end_list();
  }

  Writer& out_;
  const std::uint64_t now_, sampled_, started_, booted_;
  const MetricFamily* family_ = nullptr;
  bool begun_ = false;
  std::uint64_t time_ = 0;
};

template <class Writer>
std::string write_request(Backend& backend) {
  std::string body;
  body.reserve(65536);
  Writer out(body);
  const MetricFacts facts = metric_facts(backend);
  const std::string instance =
      facts.node.boot_id + "-" + std::to_string(facts.node.started.boot.time_since_epoch().count());

  out.begin();
  out.list(kResourceMetrics);
  out.item(kResourceMetrics);
  out.open(kResource);
  out.list(kResourceAttributes);
  attribute(out, kResourceAttributes, "service.name", "headroomd");
  attribute(out, kResourceAttributes, "service.version", facts.node.version);
  attribute(out, kResourceAttributes, "service.instance.id", instance);
  attribute(out, kResourceAttributes, "host.name", facts.node.name);
  attribute(out, kResourceAttributes, "os.type", "linux");
  out.end_list();
  out.close();
  out.list(kScopeMetrics);
  out.item(kScopeMetrics);
  out.open(kScope);
  out.text(kScopeName, "headroom");
  out.text(kScopeVersion, facts.node.version);
  out.close();
  out.list(kMetrics);
  OtlpSink<Writer> sink(out, facts);
  for (const MetricFamily& family : metric_families()) {
    if (wanted(family, facts.config.metrics)) sink.write(family, facts);
  }
  out.end_list();
  out.close();
  out.end_list();
  out.close();
  out.end_list();
  out.end();
  return body;
}

}  // namespace

string_view content_type(OtlpEncoding encoding) {
  return encoding == OtlpEncoding::json ? "application/json" : "application/x-protobuf";
}

std::string otlp_metrics(Backend& backend, OtlpEncoding encoding) {
  return encoding == OtlpEncoding::json ? write_request<JsonWriter>(backend)
                                        : write_request<ProtobufWriter>(backend);
}

}  // namespace headroom::serve
