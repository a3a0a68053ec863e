package client

import "time"

// File is one configuration file.
type File struct {
	Name string `json:"name" maxLength:"200"`
	Text string `json:"text" maxLength:"1048576"`
}

// Files proposes a configuration.
type Files struct {
	Files      []File `json:"files" maxItems:"200"`
	Plan       string `json:"plan,omitempty" doc:"To apply: the plan that was shown"`
	Base       string `json:"base,omitempty" maxLength:"64" doc:"The version of the configuration that these files were made from: refused once it is another"`
	Passphrase string `json:"passphrase,omitempty"`
}

// Configuration is what holds, as files that would change nothing.
type Configuration struct {
	Files    []File    `json:"files"`
	Base     string    `json:"base" doc:"The version of the configuration"`
	Kept     bool      `json:"kept" doc:"These are the files that were applied, with their comments and tests; else they are written from what holds"`
	By       string    `json:"by,omitempty" doc:"Who applied them"`
	At       time.Time `json:"at,omitzero"`
	Position uint64    `json:"position"`
}

// Spoken is one thing of a configuration, read aloud.
type Spoken struct {
	Kind    string   `json:"kind" enum:"policy,role,resource"`
	Name    string   `json:"name"`
	Text    string   `json:"text"`
	Dangers []string `json:"dangers,omitempty"`
	Where   string   `json:"where,omitempty" doc:"file:line"`
}

// TestResult is what became of a test of the files.
type TestResult struct {
	Where string `json:"where" doc:"file:line:column"`
	Text  string `json:"text"`
	OK    bool   `json:"ok"`
	Why   string `json:"why,omitempty" doc:"Why it does not hold"`
}

// Problem is a fault of a configuration file.
type Problem struct {
	Where   string `json:"where" doc:"file:line:column"`
	Text    string `json:"text"`
	Fix     string `json:"fix,omitempty"`
	Warning bool   `json:"warning,omitempty"`
}

// Plan is a change of configuration, before or after it is applied.
type Plan struct {
	ID        string    `json:"id"`
	Lines     []string  `json:"lines"`
	Gains     []string  `json:"gains,omitempty" doc:"What anybody gains; without any it acts at once"`
	Gainers   []string  `json:"gainers,omitempty" doc:"Who, by name"`
	Status    string    `json:"status" enum:"planned,empty,waiting,applied"`
	Bootstrap bool      `json:"bootstrap,omitempty" doc:"It is applied by one person, because there are not two administrators yet"`
	NewPeople []string  `json:"new_people,omitempty" doc:"Addresses that become people"`
	Author    string    `json:"author,omitempty"`
	At        time.Time `json:"at,omitzero"`
	MayAgree  bool      `json:"may_agree,omitempty"`
	WhyNot    string    `json:"why_not,omitempty"`
	Problems  []Problem `json:"problems,omitempty"`
	Tests     []string  `json:"tests,omitempty" doc:"Tests of the file that failed, with the reason"`
	Position  uint64    `json:"position"`

	Results []TestResult `json:"results,omitempty" doc:"All tests of the files"`
	Spoken  []Spoken     `json:"spoken,omitempty" doc:"What the files say, read aloud; for administrators and auditors"`
}
