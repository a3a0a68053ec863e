import { Activity, ChartNoAxesColumn, FileText, History, House, Inbox, KeyRound, Map as MapIcon, ScrollText, Server, Settings, Shield, Users, type LucideIcon } from "lucide-react";

export type Place = { to: string; name: string; key?: string; icon: LucideIcon; group?: "Understand" | "Configure"; viewers?: boolean };

/** Every page, in the order of the rail. */
export const places: Place[] = [
  { to: "/", name: "Home", key: "h", icon: House },
  { to: "/requests", name: "Requests", key: "r", icon: Inbox },
  { to: "/access", name: "My access", key: "m", icon: KeyRound },
  { to: "/live", name: "Live", key: "l", icon: Activity },
  { to: "/sessions", name: "Sessions", key: "s", icon: History },
  { to: "/map", name: "Access map", key: "a", icon: MapIcon, group: "Understand" },
  { to: "/audit", name: "Audit", key: "u", icon: ScrollText, group: "Understand", viewers: true },
  { to: "/insights", name: "Insights", key: "i", icon: ChartNoAxesColumn, group: "Understand", viewers: true },
  { to: "/resources", name: "Resources", key: "o", icon: Server, group: "Configure" },
  { to: "/roles", name: "Roles", key: "e", icon: Shield, group: "Configure" },
  { to: "/policies", name: "Policies", key: "p", icon: FileText, group: "Configure" },
  { to: "/people", name: "People & agents", key: "n", icon: Users, group: "Configure" },
  { to: "/settings", name: "Settings", key: ",", icon: Settings, group: "Configure" },
];

/** The pages that there are for somebody: some are for those who may look at everything. */
export const placesOf = (viewer: boolean): Place[] => places.filter((p) => viewer || !p.viewers);
