package say

import (
	"strings"
	"testing"
	"time"
)

func TestRetentionIsReadAloud(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{0: "for ever", -day: "for ever", day: "1 day", 90 * day: "90 days", 36 * time.Hour: Duration(36 * time.Hour)} {
		if got := Kept(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if got := Retention(0); got != "Recordings are kept for ever." {
		t.Errorf("%q", got)
	}
	if got := Retention(90 * day); !strings.Contains(got, "removed 90 days after their session's end") {
		t.Errorf("%q", got)
	}
	at := time.Date(2026, 6, 2, 14, 2, 0, 0, time.UTC)
	if got := Removed("s_1\x1b[2J", at, 90*day); got != `the recording of s_1\e[2J was removed on 2026-06-02 14:02 UTC by the retention of 90 days` {
		t.Errorf("%q", got)
	}
}
