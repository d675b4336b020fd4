#include "serve/prometheus.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "http/message.hpp"
#include "serve/metric.hpp"

namespace headroom::serve {
namespace {

using std::string_view;

constexpr std::size_t kMostRanges = 32;  // of an Accept header that are looked at

// ------------------------------------------------------------------------------------ text

// What does not change of a family's lines.
struct Lines {
  std::string head;               // HELP, TYPE, UNIT
  std::vector<std::string> keys;  // `lease="`
};

string_view type_word(MetricKind kind) {
  switch (kind) {
    case MetricKind::counter:
      return "counter";
    case MetricKind::histogram:
      return "histogram";
    case MetricKind::gauge:
    case MetricKind::amount:
      break;
  }
  return "gauge";
}

std::vector<Lines> make_lines(MetricsFormat format) {
  std::vector<Lines> all;
  all.reserve(metric_families().size());
  for (const MetricFamily& family : metric_families()) {
    Lines lines;
    string_view name = family.prometheus;
    // OpenMetrics calls the family by its stem and only the samples with the suffix.
    const bool open = format == MetricsFormat::openmetrics;
    if (open && family.kind == MetricKind::counter)
      name.remove_suffix(string_view("_total").size());
    lines.head.append("# HELP ").append(name).append(" ").append(family.help);
    lines.head.append("\n# TYPE ").append(name).append(" ").append(type_word(family.kind));
    lines.head.append("\n");
    if (open && !family.unit_suffix.empty()) {
      lines.head.append("# UNIT ").append(name).append(" ").append(family.unit_suffix).append("\n");
    }
    for (const std::string& label : family.labels) lines.keys.push_back(label + "=\"");
    all.push_back(std::move(lines));
  }
  return all;
}

const std::vector<Lines>& lines_of(MetricsFormat format) {
  static const std::vector<Lines> kText = make_lines(MetricsFormat::text);
  static const std::vector<Lines> kOpen = make_lines(MetricsFormat::openmetrics);
  return format == MetricsFormat::openmetrics ? kOpen : kText;
}

void append_label(std::string& out, string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= ' ' && c < '\x7F' && c != '"' && c != '\\';
  });
  if (plain) {
    out += text;
    return;
  }
  std::string good;
  append_utf8(good, text);
  for (const char c : good) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
}

class TextSink final : public MetricSink {
 public:
  explicit TextSink(std::string& out) : out_(out) {}

  void begin(const MetricFamily& family, const Lines& lines) {
    name_ = family.prometheus;
    lines_ = &lines;
    headed_ = false;
    if (family.named_when_empty) head();
  }

  void whole(MetricLabels labels, std::int64_t value) override {
    line("", labels);
    end(value);
  }
  void real(MetricLabels labels, double value) override {
    if (!std::isfinite(value)) return;
    line("", labels);
    end(value);
  }
  void spread(MetricLabels labels, const Histogram& values) override {
    std::uint64_t up_to = 0;
    for (std::size_t i = 0; i < values.buckets().size(); ++i) {
      up_to += values.buckets()[i];
      char bound[40] = "+Inf";
      std::size_t length = 4;
      if (i < values.bounds().size()) length = write_bound(values.bounds()[i], bound);
      line("_bucket", labels, {bound, length});
      end(static_cast<std::int64_t>(up_to));
    }
    line("_sum", labels);
    end(values.sum());
    line("_count", labels);
    end(static_cast<std::int64_t>(values.count()));
  }

 private:
  void head() {
    if (!headed_) out_ += lines_->head;
    headed_ = true;
  }

  // As OpenMetrics wants them ("0.0001", "1e-05", "1.0"): both formats then name the same series.
  static std::size_t write_bound(double bound, char (&text)[40]) {
    auto [end, error] =
        std::to_chars(text, text + sizeof text - 2, bound, std::chars_format::general);
    (void)error;  // the shortest form of a double has at most 24 characters
    if (std::find_if(text, end, [](char c) { return c == '.' || c == 'e'; }) == end) {
      *end++ = '.';
      *end++ = '0';
    }
    return static_cast<std::size_t>(end - text);
  }

  void line(string_view suffix, MetricLabels labels, string_view bound = {}) {
    head();
    out_.append(name_).append(suffix);
    char separator = '{';
    std::size_t i = 0;
    for (const string_view label : labels) {
      const std::string& key = lines_->keys[i++];
      if (label.empty()) continue;
      out_ += separator;
      separator = ',';
      out_ += key;
      append_label(out_, label);
      out_ += '"';
    }
    if (!bound.empty()) {
      out_ += separator;
      separator = ',';
      out_.append("le=\"").append(bound).append("\"");
    }
    if (separator == ',') out_ += '}';
    out_ += ' ';
  }

  template <class Number>
  void end(Number value) {
    char digits[40];
    const auto [last, error] = std::to_chars(digits, digits + sizeof digits - 1, value);
    (void)error;  // the shortest form of a double has at most 24 characters
    *last = '\n';
    out_.append(digits, last + 1);
  }

  std::string& out_;
  string_view name_;
  const Lines* lines_ = nullptr;
  bool headed_ = false;
};

// ------------------------------------------------------------------------------ negotiation

string_view trimmed(string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Cuts what stands before `mark` off the front.
string_view cut(string_view& rest, char mark) {
  const std::size_t at = rest.find(mark);
  const string_view first = trimmed(rest.substr(0, at));
  rest = at == string_view::npos ? string_view() : rest.substr(at + 1);
  return first;
}

// "1", "0.75"; 0 for what is no quality.
double quality_in(string_view text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && value >= 0 && value <= 1 ? value : 0;
}

}  // namespace

MetricsFormat negotiate_metrics(string_view accept, const Config& config) {
  if (!config.metrics.openmetrics) return MetricsFormat::text;
  double open = 0;
  // The most exact range that covers text/plain decides about it.
  std::optional<double> exact, family, all;
  for (std::size_t ranges = 0; !accept.empty() && ranges < kMostRanges; ++ranges) {
    string_view range = cut(accept, ',');
    const string_view type = cut(range, ';');
    double quality = 1;
    string_view version;
    while (!range.empty()) {
      string_view value = cut(range, ';');
      const string_view key = cut(value, '=');
      if (http::same_word(key, "q")) quality = quality_in(trimmed(value));
      if (http::same_word(key, "version")) version = trimmed(value);
    }
    if (version.size() >= 2 && version.front() == '"' && version.back() == '"') {
      version = version.substr(1, version.size() - 2);
    }
    if (http::same_word(type, "application/openmetrics-text")) {
      const bool known = version.empty() || version == "1.0.0" || version == "0.0.1";
      if (known) open = std::max(open, quality);
    } else if (http::same_word(type, "text/plain")) {
      exact = std::max(exact.value_or(0), quality);
    } else if (type == "text/*") {
      family = quality;
    } else if (type == "*/*") {
      all = quality;
    }
  }
  const double text = exact ? *exact : family ? *family : all.value_or(0);
  return open > 0 && open >= text ? MetricsFormat::openmetrics : MetricsFormat::text;
}

string_view content_type(MetricsFormat format) {
  return format == MetricsFormat::openmetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string metrics_text(Backend& backend, MetricsFormat format) {
  std::string out;
  out.reserve(32768);
  const MetricFacts facts = metric_facts(backend);
  const std::vector<MetricFamily>& families = metric_families();
  const std::vector<Lines>& lines = lines_of(format);
  TextSink sink(out);
  for (std::size_t i = 0; i < families.size(); ++i) {
    if (!wanted(families[i], facts.config.metrics)) continue;
    sink.begin(families[i], lines[i]);
    families[i].read(facts, sink);
  }
  if (format == MetricsFormat::openmetrics) out += "# EOF\n";
  return out;
}

}  // namespace headroom::serve
