package sqlite

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

func TestWhatHappensToARecordingIsListed(t *testing.T) {
	ctx := context.Background()
	s := open(t, "")
	defer func() { _ = s.Close() }()
	events := story(1)
	add := func(k curfew.Kind, body any) {
		text, _ := json.Marshal(body)
		last := events[len(events)-1]
		events = append(events, curfew.Event{Position: last.Position + 1, Time: last.Time.Add(time.Second), Kind: k, Body: text})
	}
	add(curfew.KindRecordingsSearched, curfew.RecordingsSearched{By: "p_5", Words: 1, Looked: 3, Shown: []curfew.SessionID{"s_0", "s_unknown"}})
	add(curfew.KindRecordingExported, curfew.RecordingExported{Session: "s_0", By: "p_6"})
	add(curfew.KindRecordingWatched, curfew.RecordingWatched{Session: "s_0", By: "p_5", How: "watch"})
	add(curfew.KindRecordingHeld, curfew.RecordingActed{Session: "s_0", Whose: "p_0", By: "p_7"})
	add(curfew.KindRecordingHeld, curfew.RecordingActed{Session: "s_0", Whose: "p_0", By: "p_8"})
	add(curfew.KindRecordingReleased, curfew.RecordingActed{Session: "s_0", Whose: "p_0", By: "p_8", Of: "p_7"})
	if err := s.Apply(ctx, events); err != nil {
		t.Fatal(err)
	}
	x, err := s.Session(ctx, "s_0")
	if err != nil || len(x.Viewed) != 2 || x.Viewed[0] != "p_5" || x.Viewed[1] != "p_6" || len(x.Held) != 1 || x.Held[0].By != "p_8" || x.Removed != nil || x.Position != 4 {
		t.Fatalf("%+v %v", x, err)
	}
	from := len(events)
	add(curfew.KindRecordingRemoved, curfew.RecordingRemoved{Session: "s_0", Kept: time.Hour})
	if err := s.Apply(ctx, events[from:]); err != nil {
		t.Fatal(err)
	}
	if x, err = s.Session(ctx, "s_0"); err != nil || x.Removed == nil || x.Removed.Kept != time.Hour || x.Removed.Position != uint64(len(events)) {
		t.Fatalf("%+v %v", x.Removed, err)
	}
}
