package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/evidence"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/ledger"
)

// exportSession writes a session as evidence. That it is exported is an event, which
// commits to all of it, and is the last event in the file.
func (s *Server) exportSession(ctx context.Context, c caller, in *IDIn) (*huma.StreamResponse, error) {
	x, err := s.findRecording(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	done, err := s.busy(ctx, c.who)
	if err != nil {
		return nil, err
	}
	f, err := s.gather(ctx, c, x)
	done()
	if err != nil {
		return nil, err
	}
	f.Chunks, err = s.parts.Record.Chunks(x.Session)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer func() { _ = f.Chunks.Close() }()
		h.SetHeader("Content-Type", "application/x-ndjson")
		if err := evidence.Write(s.patient(h), f); err != nil {
			s.parts.Log.Error("an export was cut short", "session", x.Session, "err", err)
			panic(http.ErrAbortHandler) // whoever reads it must not take it for the whole
		}
	}}, nil
}

// gather finds what goes into a file, writes the export down, and proves the events.
func (s *Server) gather(ctx context.Context, c caller, x history.Session) (f evidence.File, err error) {
	f.Session = x.Session
	if shape := s.shapeFor(ctx, c, x); shape != nil {
		f.Shape = shape.Shape
	}
	// The ledger first: no head in it is over more than the recording has afterwards.
	positions, err := s.restsOn(ctx, x)
	if err != nil {
		return f, err
	}
	r, err := s.parts.Record.Chunks(x.Session)
	if err != nil {
		return f, err
	}
	f.Sum, err = evidence.Survey(r, f.Shape)
	_ = r.Close()
	if err != nil {
		return f, err
	}
	receipt, err := s.parts.Access.Do(ctx, access.Note{Kind: curfew.KindRecordingExported, Body: curfew.RecordingExported{
		Session: x.Session, By: c.who, Shapes: f.Shape != nil, Head: f.Sum.Head[:], Chunks: f.Sum.Chunks, Items: f.Sum.Items,
		Digest: f.Sum.Digest[:], Open: !f.Sum.Closed, Events: positions,
	}})
	if err != nil {
		return f, err
	}
	l := s.parts.Access.Ledger()
	f.Head = l.Head()
	f.Events, err = ledger.Prove(ctx, l, f.Head, append(positions, receipt.Events[0].Position))
	return f, err
}

// restsOn are the positions of the events that a session rests on, read from the
// ledger itself from its request on.
func (s *Server) restsOn(ctx context.Context, x history.Session) ([]uint64, error) {
	g, err := s.parts.History.Grant(ctx, x.Grant)
	if err != nil {
		return nil, err
	}
	r, err := s.parts.History.Request(ctx, g.Request)
	if err != nil {
		return nil, err
	}
	const page = 4096
	found := evidence.NewGatherer(x.Session, x.Grant, g.Request)
	for from := r.Position; ; from += page {
		events, err := s.parts.Access.Ledger().Read(ctx, from, page)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			found.Take(e)
		}
		if len(events) < page {
			break
		}
	}
	s.parts.Access.View(func(st *access.State) {
		for _, id := range found.Passkeys() {
			if size, ok := st.PasskeyAdded(id); ok {
				found.Also(size)
			}
		}
	})
	return found.Positions(), nil
}
