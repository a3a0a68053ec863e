package judge

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestAVerdictIsRememberedForOneRulebookOnly(t *testing.T) {
	const text = "SELECT card FROM customers"
	narrow := judgeOf(t, shop, "", shopCatalog())
	wide := judgeOf(t, shop+"\nread customers", "", shopCatalog())
	for range 2 {
		if narrow.Judge(text).Refused == nil {
			t.Error("the narrow permission allows it")
		}
		if v := wide.Judge(text); v.Refused != nil {
			t.Errorf("the wide permission refuses it: %+v", v.Refused)
		}
	}
}

func TestAVerdictOnASessionsNamesIsForThatSessionOnly(t *testing.T) {
	book := shopJudge(t).book
	for _, text := range []string{
		"EXECUTE p", "EXPLAIN EXECUTE p", "FETCH ALL FROM c", "UPDATE orders SET note = 'x' WHERE CURRENT OF c",
	} {
		one, other := book.Judge(), book.Judge()
		if v := one.Judge("PREPARE p AS SELECT 1; DECLARE c CURSOR FOR SELECT id FROM orders FOR UPDATE"); v.Refused != nil {
			t.Fatal(v.Refused)
		}
		for range 2 {
			if v := one.Judge(text); v.Refused != nil {
				t.Errorf("%s: refused to who prepared: %+v", text, v.Refused)
			}
			if v := other.Judge(text); v.Refused == nil || v.Refused.Rule != RuleName {
				t.Errorf("%s: of another session: %+v", text, v.Refused)
			}
		}
		one.Judge("DISCARD ALL")
		if v := one.Judge(text); v.Refused == nil {
			t.Errorf("%s: allowed after DISCARD ALL", text)
		}
	}
}

func TestARefusedTextLeavesTheSessionsNames(t *testing.T) {
	j := shopJudge(t)
	j.Judge("PREPARE p AS SELECT 1")
	j.Judge("DEALLOCATE ALL; PREPARE q AS SELECT 1; SELECT card FROM customers")
	if v := j.Judge("EXECUTE p"); v.Refused != nil {
		t.Errorf("p is forgotten: %+v", v.Refused)
	}
	if v := j.Judge("EXECUTE q"); v.Refused == nil {
		t.Error("q is known")
	}
}

func TestSessionsJudgeAtTheSameTime(t *testing.T) {
	book := shopJudge(t).book
	all := cases(t)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := range 150 {
				c := all[(i*7+n)%len(all)]
				want, _ := wants(c.want)
				v := book.Judge().Judge(c.text)
				if v.Refused == nil != (want == "") {
					t.Errorf("%s: %+v", c.where, v.Refused)
				}
			}
		})
	}
	wg.Wait()
}

func TestARememberedVerdictIsTheSame(t *testing.T) {
	book := shopJudge(t).book
	for _, c := range cases(t) {
		first, again := book.Judge().Judge(c.text), book.Judge().Judge(c.text)
		if !reflect.DeepEqual(first, again) {
			t.Errorf("%s: %+v, then %+v", c.where, first, again)
		}
	}
}

func TestAMemoryIsBounded(t *testing.T) {
	var m memory[int]
	b := bounds{texts: 10, bytes: 100, one: 50}
	for i := range 1000 {
		m.keep(fmt.Sprint("text ", i), i, b)
	}
	if _, ok := m.recall("text 999"); !ok || len(m.texts) != 10 || m.order.Len() != 10 || m.bytes != 80 {
		t.Errorf("%d texts of %d bytes", len(m.texts), m.bytes)
	}
	m.keep(strings.Repeat("x", 50), 1, b)
	m.keep(strings.Repeat("y", 51), 1, b)
	if m.bytes > 100 || len(m.texts) != 7 {
		t.Errorf("%d texts of %d bytes", len(m.texts), m.bytes)
	}
	if _, ok := m.recall(strings.Repeat("y", 51)); ok {
		t.Error("a long text is kept")
	}
	m.recall("text 995")
	m.keep("text 1000", 1, b)
	if _, ok := m.recall("text 995"); !ok {
		t.Error("what was asked for last goes first")
	}
}
