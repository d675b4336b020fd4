// Decodes what print_metrics prints with OpenTelemetry's own schema, both encodings, and compares.
// usage: node decode.js PROTOBUF_FILE JSON_FILE
const assert = require('assert');
const fs = require('fs');
const { root } = (() => {
  const generated = require('@opentelemetry/otlp-transformer/build/src/generated/root.js');
  return { root: generated.default ?? generated };
})();
const Request = root.opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest;

// Exactly these fields, and no other: an unknown one would be lost without a word. Decoding and
// encoding again keeps every byte only if all of them are known and in the schema's own form.
const bytes = fs.readFileSync(process.argv[2]);
const fromProtobuf = Request.decode(bytes);
const json = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'));
const fromJson = Request.fromObject(json);
assert.strictEqual(Request.verify(fromProtobuf), null);

const plain = message =>
  Request.toObject(message, { longs: String, enums: String, defaults: false, arrays: false });
assert.deepStrictEqual(plain(fromProtobuf), plain(fromJson));
assert.deepStrictEqual(plain(Request.decode(Request.encode(fromJson).finish())), plain(fromJson));
assert.strictEqual(Request.encode(fromProtobuf).finish().length, bytes.length);
// Every member of the JSON is known to the schema.
const known = (object, decoded, path) => {
  for (const [key, value] of Object.entries(object)) {
    assert.ok(decoded[key] !== undefined, `${path}.${key} is not in the schema`);
    if (typeof value === 'object') known(value, decoded[key], `${path}.${key}`);
  }
};
known(json, fromJson, '');

const [resource] = fromProtobuf.resourceMetrics;
const attributes = Object.fromEntries(
  resource.resource.attributes.map(a => [a.key, a.value.stringValue]));
assert.strictEqual(attributes['service.name'], 'headroomd');
const metrics = resource.scopeMetrics[0].metrics;
const by = Object.fromEntries(metrics.map(m => [m.name, m]));
assert.strictEqual(metrics.length, Object.keys(by).length);
let points = 0;
for (const metric of metrics) {
  const data = metric.gauge ?? metric.sum ?? metric.histogram;
  assert.ok(data && data.dataPoints.length > 0, metric.name);
  if (!metric.gauge) assert.strictEqual(data.aggregationTemporality, 2, metric.name);
  points += data.dataPoints.length;
  for (const point of data.dataPoints) {
    assert.ok(point.timeUnixNano > 0, metric.name);
    if (!metric.gauge) assert.ok(point.startTimeUnixNano > 0, metric.name);
  }
}
assert.strictEqual(by['system.memory.usage'].sum.dataPoints[0].asInt.toString(), '34359738368');
assert.strictEqual(by['system.cpu.utilization'].gauge.dataPoints[0].asDouble, 0.38);
assert.strictEqual(by['headroom.sample.duration'].histogram.dataPoints[0].count.toString(), '3');
console.log(`${metrics.length} metrics, ${points} points, the same in both encodings`);
