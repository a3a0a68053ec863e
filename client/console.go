package client

import "time"

// Hint says that something the caller may see has changed, and where to look; it
// holds no fact of its own.
type Hint struct {
	Position uint64   `json:"position"`
	Topics   []string `json:"topics" doc:"requests, grants, sessions, statements, workflows, config, people; for administrators and auditors audit, whatever has happened"`
}

// Resource is something to reach, as it is configured.
type Resource struct {
	Name    string            `json:"name"`
	Type    string            `json:"type"`
	Account string            `json:"account" doc:"leased or fixed"`
	Labels  map[string]string `json:"labels,omitempty"`
	Address string            `json:"address,omitempty" doc:"For administrators and auditors"`
	Roles   []string          `json:"roles" doc:"Of those that the caller may see, what reaches it"`
	Live    int               `json:"live" doc:"Sessions that live now, of those the caller may see"`
	Door    string            `json:"door,omitempty" doc:"Where its native clients connect"`
	Origin  string            `json:"origin,omitempty" doc:"Where it stands in the files that were applied; for administrators and auditors"`
}

// Role is a role as it is configured.
type Role struct {
	Name      string   `json:"name"`
	About     string   `json:"about,omitempty"`
	Effect    string   `json:"effect" doc:"In its engine's words, where it reaches something"`
	Dangers   []string `json:"dangers,omitempty"`
	May       []string `json:"may"`
	Never     []string `json:"never,omitempty"`
	Includes  []string `json:"includes,omitempty"`
	Excludes  []string `json:"excludes,omitempty"`
	Longest   string   `json:"longest"`
	Resources []string `json:"resources" doc:"What it reaches"`
	Policies  []string `json:"policies" doc:"By which it can be asked for"`
	Origin    string   `json:"origin,omitempty" doc:"Where it stands in the files that were applied; for administrators and auditors"`
}

// Reachable says what somebody could reach at a moment.
type Reachable struct {
	Person   Person    `json:"person"`
	At       time.Time `json:"at"`
	Paths    []Path    `json:"paths"`
	Position uint64    `json:"position"`
}

// Insights are the figures of a span of days, oldest first.
type Insights struct {
	From    time.Time `json:"from"`
	Days    []Day     `json:"days"`
	Causes  []Count   `json:"causes" doc:"Why grants ended"`
	Roles   []Count   `json:"roles" doc:"The busiest, by grants"`
	Partial bool      `json:"partial,omitempty" doc:"There was more than is counted"`
}

// Day is what one day came to.
type Day struct {
	Day       string  `json:"day" doc:"2026-03-04, in UTC"`
	Requests  int     `json:"requests"`
	Alone     int     `json:"alone" doc:"Granted without anybody's approval"`
	Approved  int     `json:"approved" doc:"Granted by people"`
	Refused   int     `json:"refused" doc:"Denied, withdrawn or lapsed"`
	P50       float64 `json:"p50_s" doc:"Half of the decisions took no longer, in seconds"`
	P95       float64 `json:"p95_s"`
	Granted   float64 `json:"granted_min" doc:"Minutes that grants would have lasted"`
	Used      float64 `json:"used_min" doc:"Minutes that they did"`
	Cut       int     `json:"cut" doc:"Sessions that did not end by themselves"`
	Decisions int     `json:"decisions"`
}

// Count is how often something was.
type Count struct {
	Name string `json:"name"`
	Text string `json:"text,omitempty" doc:"In words, where the name is a code"`
	N    int    `json:"n"`
}

// Facts are what is known about a request besides what it says.
type Facts struct {
	Person string `json:"person,omitempty" doc:"The requester's groups"`
	Usual  string `json:"usual,omitempty" doc:"How long the requester usually used this role: the median of their last grants, from three on"`
	Facts  []Fact `json:"facts"`
}

// Fact is one of them, in words.
type Fact struct {
	Text string `json:"text"`
	Warn bool   `json:"warn,omitempty" doc:"It stands out"`
}

// Screen is what a session's terminal shows.
type Screen struct {
	Columns int      `json:"columns"`
	Rows    int      `json:"rows"`
	Lines   []string `json:"lines"`
	Runs    [][]Run  `json:"runs,omitempty" doc:"The lines as they are coloured; null for one that is not. There may be more of them than lines: rows of blanks in a colour"`
	Ref     uint64   `json:"ref" doc:"Of the program that shows it"`
}

// Run is a part of a line of a screen that is written in one way.
type Run struct {
	Text      string `json:"t"`
	Ink       int    `json:"ink,omitempty" doc:"Its colour: 1 more than its number of xterm's 256; none: the usual one"`
	Paper     int    `json:"paper,omitempty" doc:"The colour behind it, in the same way"`
	Bold      bool   `json:"bold,omitempty"`
	Dim       bool   `json:"dim,omitempty"`
	Italic    bool   `json:"italic,omitempty"`
	Underline bool   `json:"underline,omitempty"`
	Inverse   bool   `json:"inverse,omitempty"`
	Strike    bool   `json:"strike,omitempty"`
}

// Peek is the newest of a session: what its terminal shows, or its last statements, and what
// they came to as far as the caller may see it.
type Peek struct {
	Session    string   `json:"session"`
	Screen     *Screen  `json:"screen,omitempty"`
	Lines      []string `json:"lines,omitempty"`
	Statements int64    `json:"statements,omitempty"`
	Refused    int64    `json:"refused,omitempty"`
	Read       int64    `json:"read,omitempty" doc:"Rows"`
	Changed    int64    `json:"changed,omitempty" doc:"Rows"`
	Over       bool     `json:"over,omitempty"`
}

// Batch is what a watch that gathers has to say at once.
type Batch struct {
	Items   []Item  `json:"items"`
	Numbers []int   `json:"numbers" doc:"Of the items, as they stand in the recording, from 1 on"`
	Left    int     `json:"left,omitempty" doc:"How many were left out before them: they came faster than anybody reads"`
	Screen  *Screen `json:"screen,omitempty" doc:"The newest of a terminal, where the caller may see it"`
}
