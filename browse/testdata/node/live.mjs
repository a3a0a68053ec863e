// An application: a WebSocket that echoes (ws), and streams of events in several forms.
import { createServer } from "node:http";
import { createGzip } from "node:zlib";
import { WebSocketServer } from "ws";

const server = createServer((req, res) => {
  const url = new URL(req.url, "http://x");
  if (url.pathname.startsWith("/events")) {
    const crlf = url.pathname.endsWith("-crlf"), zip = url.pathname.endsWith("-gzip");
    const head = { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" };
    if (zip) head["Content-Encoding"] = "gzip";
    res.writeHead(200, head);
    const out = zip ? createGzip() : res;
    if (zip) out.pipe(res);
    const end = crlf ? "\r\n" : "\n";
    let n = 0;
    const tick = setInterval(() => { out.write(`data: ${n++}${end}${end}`); if (zip) out.flush(); }, 30);
    res.on("close", () => clearInterval(tick));
    return;
  }
  if (url.pathname === "/sw.js") {
    res.writeHead(200, { "Content-Type": "text/javascript" });
    res.end("self.addEventListener('fetch', () => {});");
    return;
  }
  res.writeHead(200, { "Content-Type": "text/html" });
  res.end(`<!doctype html><title>live</title><h1>Live ${req.method} ${url.pathname}</h1><pre>${JSON.stringify(req.headers).replaceAll("<", "&lt;")}</pre>`);
});
const sockets = new WebSocketServer({ server, path: "/socket" });
sockets.on("connection", (s) => s.on("message", (m, binary) => s.send(m, { binary })));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
