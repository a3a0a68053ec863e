import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link } from "@tanstack/react-router";
import { Fault } from "./parts/States";
import { Shell } from "./parts/Shell";
import { Home } from "./pages/Home";
import { Requests } from "./pages/Requests";

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <div className="page"><div className="state"><h1 className="state-title">There is no page at this address.</h1><Link to="/">Home</Link></div></div>
  ),
  errorComponent: ({ error, reset }) => <div className="page"><h1>This page</h1><Fault error={error} retry={reset} /></div>,
});

/** Search parameters are text, and nothing else is let in. */
const texts = <K extends string>(...names: K[]) => (search: Record<string, unknown>): Partial<Record<K, string>> => {
  const out: Partial<Record<K, string>> = {};
  for (const n of names) {
    const v = search[n];
    if (typeof v === "string" && v) out[n] = v;
    else if (typeof v === "number" || typeof v === "boolean") out[n] = String(v);
  }
  return out;
};

const home = createRoute({ getParentRoute: () => root, path: "/", component: Home });
export const requestsRoute = createRoute({ getParentRoute: () => root, path: "/requests", component: Requests, validateSearch: texts("tab", "id", "do") });
export const accessRoute = createRoute({ getParentRoute: () => root, path: "/access", component: lazyRouteComponent(() => import("./pages/Access"), "Access"), validateSearch: texts("ask", "q", "from") });
const live = createRoute({ getParentRoute: () => root, path: "/live", component: lazyRouteComponent(() => import("./pages/Live"), "Live"), validateSearch: texts("wall", "grant") });
export const sessionsRoute = createRoute({
  getParentRoute: () => root, path: "/sessions", component: lazyRouteComponent(() => import("./pages/Sessions"), "Sessions"),
  validateSearch: texts("scope", "person", "resource", "words", "status", "from", "to"),
});
export const sessionRoute = createRoute({ getParentRoute: () => root, path: "/sessions/$id", component: lazyRouteComponent(() => import("./pages/Session"), "Session"), validateSearch: texts("item", "do", "q") });
const map = createRoute({ getParentRoute: () => root, path: "/map", component: lazyRouteComponent(() => import("./pages/Map"), "AccessMap"), validateSearch: texts("resource", "person", "at", "tab") });
const audit = createRoute({ getParentRoute: () => root, path: "/audit", component: lazyRouteComponent(() => import("./pages/Audit"), "Audit"), validateSearch: texts("q", "from", "to") });
const insights = createRoute({ getParentRoute: () => root, path: "/insights", component: lazyRouteComponent(() => import("./pages/Insights"), "Insights"), validateSearch: texts("days") });
const resources = createRoute({ getParentRoute: () => root, path: "/resources", component: lazyRouteComponent(() => import("./pages/Configure"), "Resources"), validateSearch: texts("name", "q") });
const roles = createRoute({ getParentRoute: () => root, path: "/roles", component: lazyRouteComponent(() => import("./pages/Configure"), "Roles"), validateSearch: texts("name", "q") });
const policies = createRoute({ getParentRoute: () => root, path: "/policies", component: lazyRouteComponent(() => import("./pages/Policies"), "Policies"), validateSearch: texts("name", "q") });
const people = createRoute({ getParentRoute: () => root, path: "/people", component: lazyRouteComponent(() => import("./pages/People"), "People"), validateSearch: texts("q") });
const settings = createRoute({ getParentRoute: () => root, path: "/settings", component: lazyRouteComponent(() => import("./pages/Settings"), "Settings") });

const touch = createRoute({ getParentRoute: () => root, path: "/touch/$id", component: lazyRouteComponent(() => import("./pages/Touch"), "Touch") });

export const router = createRouter({
  routeTree: root.addChildren([home, requestsRoute, accessRoute, live, sessionsRoute, sessionRoute, map, audit, insights, resources, roles, policies, people, settings, touch]),
  defaultPreload: "intent",
  scrollRestoration: true,
  // Addresses stay readable: ?tab=all, not JSON.
  parseSearch: (s) => Object.fromEntries(new URLSearchParams(s)),
  stringifySearch: (o) => {
    const q = new URLSearchParams();
    for (const [k, v] of Object.entries(o as Record<string, unknown>)) if (v !== undefined && v !== "") q.set(k, String(v));
    const t = q.toString();
    return t ? `?${t}` : "";
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
