package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/config"
)

// The ledger holds what a configuration comes to, not the words in which it was written. Those
// are kept on the shelf, with their comments and tests, and are shown only where planning them
// would change nothing: then they say exactly what holds, whatever became of the row.
const (
	textKind    = "config-text"
	textApplied = "applied"
)

func (s *Server) configTextRoutes() {
	add(s, Admin, http.MethodGet, "/config", "Show the configuration that holds, as files", s.showConfig)
	add(s, SignedIn, http.MethodGet, "/config/schema", "The JSON Schema of configuration files", s.schema)
}

// written is configuration as somebody wrote it.
type written struct {
	Files []client.File
	By    curfew.Principal
	At    time.Time
}

// keepText keeps the words of what was applied, or of what waits as a plan. Words that are too
// long for the shelf are not kept: what holds is then written anew.
func (s *Server) keepText(ctx context.Context, name string, files []client.File, by curfew.Principal) {
	if s.parts.Shelf == nil {
		return
	}
	text, err := json.Marshal(written{Files: files, By: by, At: s.parts.Access.Now()})
	if err == nil {
		_, err = s.parts.Shelf.Put(ctx, textKind, name, text)
	}
	if err != nil {
		s.parts.Log.Warn("the words of the configuration are not kept", "err", err)
	}
}

// settleText makes the words of a plan those that hold, or forgets them.
func (s *Server) settleText(ctx context.Context, plan string, holds bool) {
	if s.parts.Shelf == nil {
		return
	}
	text, err := s.parts.Shelf.Get(ctx, textKind, plan)
	if err != nil {
		if curfew.CodeOf(err) != curfew.NotFound { // there are none where it was proposed before words were kept
			s.parts.Log.Warn("the words of a plan cannot be read", "plan", plan, "err", err)
		}
		return
	}
	if holds {
		if _, err := s.parts.Shelf.Put(ctx, textKind, textApplied, text); err != nil {
			s.parts.Log.Warn("the words of the configuration are not kept", "err", err)
		}
	}
	_ = s.parts.Shelf.Delete(ctx, textKind, plan) // one that stays holds nothing
}

// shownText is the configuration as it is shown: by the words that were kept, if they still
// say what holds.
type shownText struct {
	version string
	written
	file *config.File // of the words; nil: they were written from what holds
}

// lastText is what text found last, and of what.
type lastText struct {
	mu    sync.Mutex
	row   []byte    // guarded by mu
	found shownText // guarded by mu; its file is nil where the row did not say what held
}

// keptText is the words that were kept, if they say what holds as of version.
func (s *Server) keptText(ctx context.Context, version string) (shownText, bool) {
	if s.parts.Shelf == nil {
		return shownText{}, false
	}
	row, err := s.parts.Shelf.Get(ctx, textKind, textApplied)
	if err != nil {
		return shownText{}, false
	}
	s.lastText.mu.Lock()
	defer s.lastText.mu.Unlock()
	if s.lastText.found.version == version && bytes.Equal(s.lastText.row, row) && s.lastText.found.file != nil {
		return s.lastText.found, true
	}
	found := shownText{}
	if json.Unmarshal(row, &found.written) != nil {
		return shownText{}, false
	}
	d := s.read(ctx, found.Files)
	if d.file == nil || config.Failed(d.problems) || len(d.newPeople) > 0 {
		return shownText{}, false
	}
	change := s.parts.Access.Plan(d.config)
	if !change.Empty() {
		return shownText{}, false
	}
	found.version, found.file = change.Base, d.file
	s.lastText.row, s.lastText.found = row, found
	return found, true
}

// text is the configuration's words.
func (s *Server) text(ctx context.Context) shownText {
	var version string
	var holds curfew.Config
	s.parts.Access.View(func(st *access.State) { version, holds = st.Version, access.CopyConfig(st.Config) })
	if kept, ok := s.keptText(ctx, version); ok {
		return kept
	}
	text := config.Write(holds, func(p curfew.Principal) config.Known {
		return config.Known{Email: s.parts.Identity.Email(ctx, p), Name: s.parts.Identity.Name(ctx, p)}
	})
	return shownText{version: version, written: written{Files: []client.File{{Name: "curfew.yaml", Text: string(text)}}}}
}

func (s *Server) showConfig(ctx context.Context, _ caller, _ *struct{}) (*body[client.Configuration], error) {
	t := s.text(ctx)
	out := client.Configuration{Files: t.Files, Base: t.version, Kept: t.file != nil, At: t.At, Position: s.parts.Access.Ledger().Head().Size}
	if t.By != "" {
		out.By = s.parts.Identity.Name(ctx, t.By)
	}
	return &body[client.Configuration]{out}, nil
}

func (s *Server) schema(context.Context, caller, *struct{}) (*body[json.RawMessage], error) {
	return &body[json.RawMessage]{config.Schema()}, nil
}

// origins says where in the files things stand, to those who may see the files' names.
func (s *Server) origins(ctx context.Context, c caller) func(path ...string) string {
	if !c.admin && !c.audit {
		return func(...string) string { return "" }
	}
	var version string
	s.parts.Access.View(func(st *access.State) { version = st.Version })
	t, _ := s.keptText(ctx, version)
	return func(path ...string) string { return originOf(t.file, path...) }
}

func originOf(f *config.File, path ...string) string {
	if f == nil {
		return ""
	}
	at, ok := f.Where(path...)
	if !ok {
		return ""
	}
	return at.File + ":" + strconv.Itoa(at.Line)
}

// sameBase refuses what was written against another configuration than the one that holds: what
// somebody else has changed since is not undone unseen.
func sameBase(in client.Files, base string) error {
	if in.Base == "" || in.Base == base {
		return nil
	}
	return curfew.Errorf(curfew.Conflict, "the configuration has changed since this text was read").WithRule("config.changed").WithFix("read it again: curfew export")
}
