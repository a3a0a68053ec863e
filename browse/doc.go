// Package browse goes through the whole program with a real browser, and with web
// clients and servers that others made: Chromium, curl, nginx, ws, eventsource. It
// holds tests only.
package browse
