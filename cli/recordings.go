package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/record"
)

func (a *app) searchCommand() *cobra.Command {
	var in client.WordSearch
	var since, until string
	cmd := &cobra.Command{
		Use: "search WORDS…", Short: "Search what was said in sessions that you may see; that you did is recorded, the words are not", Args: between(1, -1),
		Long: "Finds statements, values and refusals that have all of the words. refund* is whatever begins with refund. Where none of your roles\n" +
			"covers a session, only the shape of its statements is searched. A search is bounded: it says where it goes on.",
		Example: "  curfew sessions search refunds 4711 --person alice --since yesterday\\ 9:00\n  curfew sessions search 'refund*' --resource orders-db --json",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in.Words = strings.Join(args, " ")
			if since != "" {
				if in.Since, err = parseWhen(since, a.now(), true); err != nil {
					return err
				}
			}
			if until != "" {
				if in.Until, err = parseWhen(until, a.now(), true); err != nil {
					return err
				}
			}
			return a.searchSessions(cmd.Context(), in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Person, "person", "", "in sessions of this person; me: of yours")
	f.StringVar(&in.Resource, "resource", "", "in sessions on this resource")
	f.StringVar(&in.Session, "session", "", "in this session alone")
	f.StringVar(&since, "since", "", "in sessions opened then or later")
	f.StringVar(&until, "until", "", "in sessions opened before")
	f.IntVar(&in.Limit, "limit", 0, "at most this many sessions")
	f.Uint64Var(&in.Before, "before", 0, "search on where a search has stopped")
	return cmd
}

func (a *app) searchSessions(ctx context.Context, in client.WordSearch) error {
	q, err := record.ParseQuery(in.Words)
	if err != nil {
		return err
	}
	if in.Limit < 0 || in.Limit > 100 {
		return usage(fmt.Sprintf("--limit %d cannot be: it is at most 100 sessions", in.Limit))
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	in.Position = a.position(c)
	hits, err := c.SearchSessions(ctx, in)
	if err != nil {
		return err
	}
	if a.opt.json {
		for _, h := range hits.Items {
			a.encode(a.parts.Stdout, "hit", h)
		}
		a.encode(a.parts.Stdout, "search", howFar{hits.Looked, hits.Removed, hits.Position, hits.Behind, hits.Next})
		return nil
	}
	for i, h := range hits.Items {
		if i > 0 {
			a.outf("\n")
		}
		a.hit(h)
	}
	a.searched(hits, q)
	return nil
}

// howFar is how far a search went, as JSON, after its hits.
type howFar struct {
	Looked   int    `json:"looked"`
	Removed  int    `json:"removed,omitempty"`
	Position uint64 `json:"position"`
	Behind   bool   `json:"behind,omitempty"`
	Next     string `json:"next,omitempty"`
}

func (a *app) hit(h client.Hit) {
	s := h.Session
	a.outf("%s  %s  %s\n", a.bold(cell(s.Who, 40)+" on "+cell(s.Resource, 40)+" as "+cell(s.Role, 40)), a.clock(s.Opened), clean(s.ID))
	for _, it := range h.Items {
		if it.Kind == "output" {
			a.shownHit(s.ID, it)
		} else {
			_ = a.said(it.At.In(a.now().Location()).Format("15:04:05")+" ", it.Item)
		}
		if it.Cut {
			a.outf("         %s\n", a.dim("(shortened; whole: curfew transcript "+clean(s.ID)+")"))
		}
	}
	switch {
	case h.Fault != "":
		a.outf("         it could not be searched: %s\n", prose(h.Fault))
	case h.Partial:
		a.outf("         %s\n", a.dim("(it is too long to be searched to its end: curfew transcript "+clean(s.ID)+")"))
	case h.More:
		a.outf("         %s\n", a.dim("(and more: curfew replay "+clean(s.ID)+")"))
	}
}

// searched says how far a search went.
func (a *app) searched(h client.Hits, q record.Query) {
	text := fmt.Sprintf("%s in %s searched.", plural(len(h.Items), "session"), plural(h.Looked, "session"))
	if len(h.Items) == 0 {
		text = fmt.Sprintf("Nothing in %s.", plural(h.Looked, "session"))
		if q.Words() > 1 {
			text += " All words have to be in one item."
		}
	}
	if h.Removed > 0 {
		text += fmt.Sprintf(" %s been removed by the retention.", map[bool]string{true: "1 recording has", false: fmt.Sprintf("%d recordings have", h.Removed)}[h.Removed == 1])
	}
	if h.Next != "" {
		text += " There is more to search: add --before " + clean(h.Next)
	}
	a.note("%s", text)
}

func (a *app) holdRecordingCommand() *cobra.Command {
	var in client.Holding
	var fromStdin bool
	cmd := &cobra.Command{
		Use: "hold SESSION", Short: "Hold a recording: it is not removed until somebody else releases it", Args: between(1, 1),
		Example: "  curfew sessions hold s_9F2 --reason 'inquiry 7'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.keepRecording(cmd.Context(), args[0], in, fromStdin, "hold", "Your passphrase, to hold its recording", (*client.Client).HoldRecording, func(id string) {
				a.done("The recording of %s is held. Somebody else can release it: curfew sessions release %s", clean(id), clean(id))
			})
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why; it stays in the ledger, sealed, for auditors")
	a.passphraseFlag(cmd, &fromStdin)
	return cmd
}

func (a *app) releaseRecordingCommand() *cobra.Command {
	var in client.Holding
	var fromStdin bool
	cmd := &cobra.Command{
		Use: "release SESSION", Short: "Release somebody else's hold on a recording", Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.keepRecording(cmd.Context(), args[0], in, fromStdin, "release", "Your passphrase, to release the hold", (*client.Client).ReleaseRecording, func(id string) {
				a.done("The hold is released. The retention says when the recording of %s goes: curfew show %s", clean(id), clean(id))
			})
		},
	}
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why; it stays in the ledger, sealed, for auditors")
	cmd.Flags().StringVar(&in.Of, "of", "", "whose hold, where there are several")
	a.passphraseFlag(cmd, &fromStdin)
	return cmd
}

func (a *app) keepRecording(ctx context.Context, id string, in client.Holding, fromStdin bool, verb, prompt string,
	act func(*client.Client, context.Context, string, client.Holding) (client.Done, error), text func(string)) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	if strings.TrimSpace(in.Reason) == "" {
		if !a.asks() {
			return usage("why? Add --reason: it stays in the ledger, for auditors")
		}
		if in.Reason, err = a.line(ctx, "Why?", ""); err != nil {
			return err
		}
	}
	done, err := proven(ctx, a, c, proof{"/sessions/" + id + "/" + verb, prompt, fromStdin},
		func(pass string) client.Holding { in.Passphrase = pass; return in },
		func(in client.Holding) (client.Done, error) { return act(c, ctx, id, in) })
	if err != nil {
		return err
	}
	a.wrote(c, done.Position)
	return emit(a, "done", done, func(client.Done) { text(id) })
}

// recordingRows say how long a session's recording stays.
func (a *app) recordingRows(s client.Session) (rows [][]string) {
	if !s.Removed.IsZero() {
		return [][]string{{"recording", "removed " + a.clock(s.Removed) + " by " + prose(s.RemovedWhy)}}
	}
	if !s.KeptUntil.IsZero() {
		rows = append(rows, []string{"recording", "kept until " + a.clock(s.KeptUntil)})
	}
	for _, h := range s.Held {
		text := cell(h.By, 40) + " since " + a.clock(h.At)
		if h.Why != "" {
			text += ": " + prose(h.Why)
		}
		rows = append(rows, []string{"held by", text})
	}
	return rows
}
