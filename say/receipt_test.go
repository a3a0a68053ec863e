package say

import (
	"testing"
	"time"
)

func TestReceipts(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	used := Sum{Asked: 45 * time.Minute, Started: start, Ended: start.Add(18 * time.Minute), Sessions: 2, Statements: 14, Rows: 38, Refused: 1}
	for want, change := range map[string]func(*Sum){
		"Used 18 min of 45 min, 2 sessions, 14 statements, 38 rows, 1 refused. Not seen to be gone at the target yet.": func(*Sum) {},
		"Used 18 min of 45 min, 2 sessions, 14 statements, 38 rows, 1 refused, 1 session cut. Seen to be gone at the target 0.3 s after the end.": func(s *Sum) {
			s.Cut, s.Verified = 1, s.Ended.Add(320*time.Millisecond)
		},
		"Used 18 min of 45 min, 1 session, 1 statement, 1 row, 1 session not summed up yet. Not seen to be gone at the target yet.": func(s *Sum) {
			s.Sessions, s.Statements, s.Rows, s.Refused, s.Live = 1, 1, 1, 0, 1
		},
		"Not used in 18 min of 45 min. 1 object went to a powerless account: table x\\n → y. Seen to be gone at the target 2 h after the end.": func(s *Sum) {
			s.Sessions, s.Kept, s.Verified = 0, []string{"table x\n → y"}, s.Ended.Add(2*time.Hour)
		},
		"Used 18 min of 45 min, 2 sessions, 14 statements, 38 rows, 1 refused. 2 processes were ended; the crontab changed. Seen to be gone at the target 1.0 s after the end.": func(s *Sum) {
			s.Notes, s.Verified = []string{"2 processes were ended", "the crontab changed"}, s.Ended.Add(time.Second)
		},
		"Never used: it ended before it began. Not gone at the target yet: it does not answer.": func(s *Sum) {
			s.Started, s.Trouble = time.Time{}, "it does not answer"
		},
	} {
		s := used
		change(&s)
		if got := Receipt(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
