// A reader of events (eventsource): says what it heard, and the gateway's last word.
import dns from "node:dns";
// Names below localhost are this machine's, which browsers know and Node does not.
const asked = dns.lookup;
dns.lookup = (host, options, done) => host.endsWith(".localhost") ? asked.call(dns, "127.0.0.1", options, done) : asked.call(dns, host, options, done);
import { EventSource } from "eventsource";
const [url, headers] = process.argv.slice(2);
const say = (o) => console.log(JSON.stringify(o));
const es = new EventSource(url, { fetch: (u, init) => fetch(u, { ...init, headers: { ...init.headers, ...JSON.parse(headers) } }) });
let n = 0;
es.addEventListener("message", () => { if (n++ === 0) say({ open: true }); });
es.addEventListener("curfew", (e) => { say({ curfew: JSON.parse(e.data), after: n }); es.close(); process.exit(0); });
es.addEventListener("error", (e) => { say({ error: String(e.message ?? e.code ?? "closed"), code: e.code ?? 0, after: n }); es.close(); process.exit(0); });
