import "@fontsource/ibm-plex-sans/latin-400.css";
import "@fontsource/ibm-plex-sans/latin-500.css";
import "@fontsource/ibm-plex-sans/latin-600.css";
import "@fontsource/ibm-plex-mono/latin-400.css";
import "./design/tokens.css";
import "./design/base.css";
import "./design/shell.css";
import "./design/parts.css";
import "./design/pages.css";
import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Failure } from "./api/client";
import { follow } from "./api/feed";
import { router } from "./router";

const client = new QueryClient({
  defaultOptions: {
    // What a browser believes of its network says nothing of a gateway on the same machine; and what
    // waits for a network is done when nobody expects it any more.
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      staleTime: 5_000,
      refetchOnWindowFocus: true,
      refetchOnReconnect: true,
      retryDelay: (n) => 300 * 2 ** n, // a fault that stays is said within a second
      retry: (n, e) => !(e instanceof Failure && e.status >= 400 && e.status < 500) && n < 2,
    },
  },
});

const theme = localStorage.getItem("curfew.theme");
if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;

follow(client);

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <CSPProvider disableStyleElements>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </CSPProvider>
  </StrictMode>,
);
