package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
)

func TestWhoSeesAHeldStatementAndWhoReleasesIt(t *testing.T) {
	o := newOffice(t)
	path := "/api/v1/statements/" + aliceStatement
	for who, sees := range map[string]bool{"alice": true, "dana": true, "tom": false, "root": false, "otto": false} {
		r := o.call(who, http.MethodGet, path, "")
		var h client.Held
		if err := json.Unmarshal([]byte(r.text), &h); err != nil || r.status != http.StatusOK {
			t.Fatalf("%s: %d %s", who, r.status, r.text)
		}
		if strings.Contains(r.text, "canary") != sees || (h.Text == "DROP TABLE canary") != sees || h.MayDecide != (who == "dana") || h.Digest != hex.EncodeToString([]byte{1, 2, 3}) {
			t.Errorf("%s sees %s", who, r.text)
		}
	}
	if r := o.call("mallory", http.MethodGet, path, ""); r.status != http.StatusNotFound {
		t.Errorf("mallory: %d %s", r.status, r.text)
	}
	if r := o.call("mallory", http.MethodGet, "/api/v1/statements", ""); strings.Contains(r.text, aliceStatement) {
		t.Errorf("mallory lists %s", r.text)
	}
	act := func(who, what, digest, pass string) reply {
		return o.call(who, http.MethodPost, path+"/"+what, `{"digest":"`+digest+`","why":"no","passphrase":"`+pass+`"}`)
	}
	for name, c := range map[string]struct {
		r      reply
		status int
	}{
		"their own":          {act("alice", "release", "010203", phrase), http.StatusForbidden},
		"an auditor":         {act("tom", "release", "010203", phrase), http.StatusForbidden},
		"an administrator":   {act("root", "release", "010203", phrase), http.StatusForbidden},
		"refusing one's own": {act("alice", "refuse", "", phrase), http.StatusForbidden},
		"another digest":     {act("dana", "release", "0102", phrase), http.StatusConflict},
		"no digest":          {act("dana", "release", "", phrase), http.StatusUnprocessableEntity},
	} {
		if c.r.status == http.StatusOK || c.r.status == http.StatusNotFound {
			t.Errorf("%s: %d %s", name, c.r.status, c.r.text)
		}
	}
	if r := act("dana", "release", "010203", "wrong wrong wrong"); r.status == http.StatusOK {
		t.Error("released without a passphrase")
	}
	o.access.View(func(st *access.State) {
		if st.Held[aliceStatement] == nil {
			t.Error("it waits no more")
		}
	})
	if r := act("dana", "release", "010203", phrase); r.status != http.StatusOK {
		t.Fatalf("%d %s", r.status, r.text)
	}
	a, ok, err := o.access.ReleaseOf(context.Background(), aliceStatement, 0)
	if err != nil || !ok || !a.OK || a.By != o.who["dana"] {
		t.Errorf("%+v %v %v", a, ok, err)
	}
	if r := act("dana", "release", "010203", phrase); r.status != http.StatusNotFound {
		t.Errorf("released twice: %d %s", r.status, r.text)
	}
}

func TestACredentialThatAsks(t *testing.T) {
	o := newOffice(t)
	const path = "/api/v1/credentials"
	r := o.call("dana", http.MethodPost, path, `{"role":"write","resource":"db","for":"30m","reason":"to mend it"}`)
	var c client.Credential
	if err := json.Unmarshal([]byte(r.text), &c); err != nil || r.status != http.StatusOK || !curfew.HasPrefix(c.User, "c") || c.Once || c.Password == "" {
		t.Fatalf("%d %s", r.status, r.text)
	}
	pending := 0
	o.access.View(func(st *access.State) {
		for _, q := range st.Requests {
			if q.Principal == o.who["dana"] {
				pending++
			}
		}
	})
	if pending != 0 {
		t.Error("making a credential asked somebody")
	}
	for name, c := range map[string][2]string{
		"no policy names them":    {"mallory", `{"role":"write","resource":"db","for":"30m","reason":"x"}`},
		"no reason":               {"dana", `{"role":"write","resource":"db","for":"30m","reason":" "}`},
		"a role there is not":     {"dana", `{"role":"none","resource":"db","for":"30m","reason":"x"}`},
		"a resource there is not": {"dana", `{"role":"write","resource":"none","for":"30m","reason":"x"}`},
		"too long":                {"dana", `{"role":"write","resource":"db","for":"9000h","reason":"x"}`},
		"a start":                 {"dana", `{"role":"write","resource":"db","for":"30m","reason":"x","start":"2030-01-01T00:00:00Z"}`},
	} {
		if r := o.call(c[0], http.MethodPost, path, c[1]); r.status < 400 {
			t.Errorf("%s: %d %s", name, r.status, r.text)
		}
	}
}
