// A WebSocket client (ws): says how it was opened, what it heard, how it ended.
import dns from "node:dns";
// Names below localhost are this machine's, which browsers know and Node does not.
const asked = dns.lookup;
dns.lookup = (host, options, done) => host.endsWith(".localhost") ? asked.call(dns, "127.0.0.1", options, done) : asked.call(dns, host, options, done);
import WebSocket from "ws";
const [url, host, headers] = process.argv.slice(2);
const s = new WebSocket(url, { headers: { Host: host, ...JSON.parse(headers) } });
const say = (o) => console.log(JSON.stringify(o));
s.on("open", () => { say({ open: true }); s.send("hello"); s.send(Buffer.from([1, 2, 3])); });
s.on("message", (m, binary) => say({ heard: binary ? m.toString("hex") : m.toString() }));
s.on("unexpected-response", (_, res) => { say({ status: res.statusCode }); process.exit(0); });
s.on("error", (e) => say({ error: String(e) }));
s.on("close", (code, why) => { say({ code, why: why.toString() }); process.exit(0); });
