// Package cli is the command line: it asks the server over client, shows what
// it answers as people read it or as JSON, and starts native clients. It holds
// no rule about access, and no secret in an argument, a variable or a history.
package cli

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Parts are what the command line is made of; the zero value takes the process's own.
type Parts struct {
	// Up, Demo, Restore run the gateway, the demo, the way back to an older ledger; nil: there is no such command.
	// They get what follows the command's name, flags included.
	Up, Demo, Restore func(ctx context.Context, args []string) error
	// Verify checks an exported ledger; nil: there is no such command.
	Verify func(ctx context.Context, args VerifyArgs) error

	Version        string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            func() time.Time
	Env            func(string) string
	Terminal       Terminal
}

// VerifyArgs say what to verify, and against what.
type VerifyArgs struct {
	File       string   // the export; "-" is standard input
	GenesisKey string   // of the deployment's first node, as its operator wrote it down
	EveryHead  bool     // check the signature of every head, not only of the last
	Witnesses  []string // files with heads that left the machine
	JSON       bool
	Stdin      io.Reader
	Stdout     io.Writer
	Stderr     io.Writer
}

// options are the flags that every command has.
type options struct {
	server  string
	json    bool
	quiet   bool
	noInput bool
	yes     bool
	timeout time.Duration
}

// app is one run of the command line.
type app struct {
	parts Parts
	opt   options
	in    *bufio.Reader
	color bool
	live  bool // stderr is a terminal that can redraw a line
	draw  bool // stdout is a terminal on which a recording plays
	width int  // of the terminal that stdout is; 0: it is none, and nothing is cut

	screens screens // of the session that is shown
}

func newApp(p Parts) *app {
	if p.Stdin == nil {
		p.Stdin = os.Stdin
	}
	if p.Stdout == nil {
		p.Stdout = os.Stdout
	}
	if p.Stderr == nil {
		p.Stderr = os.Stderr
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Env == nil {
		p.Env = os.Getenv
	}
	if p.Terminal == nil {
		p.Terminal = processTerminal{in: p.Stdin, out: p.Stderr}
	}
	if p.Version == "" {
		p.Version = "devel"
	}
	plain := p.Env("NO_COLOR") != "" || p.Env("TERM") == "dumb"
	return &app{
		parts: p, in: bufio.NewReader(p.Stdin),
		color: !plain && isTerminal(p.Stdout), width: widthOf(p.Stdout), live: p.Env("TERM") != "dumb" && isTerminal(p.Stderr),
	}
}

// New makes the tree of commands. Its errors are not printed; Main prints them.
func New(p Parts) *cobra.Command { return newApp(p).root() }

// Main runs the command line and returns its exit code.
func Main(p Parts, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, p, args)
}

func run(ctx context.Context, p Parts, args []string) int {
	a := newApp(p)
	root := a.root()
	if args == nil {
		args = []string{} // cobra takes nil for the process's own
	}
	root.SetArgs(args)
	return a.report(ctx, root.ExecuteContext(ctx))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "curfew", Short: "Access that ends by itself", SilenceErrors: true, SilenceUsage: true,
		Long: "Curfew gives access that ends by itself: ask for a role, somebody agrees, work with your own client, and it is over on time.\n" +
			"Alone, curfew says what you have and what waits.\n\n" +
			"With --json, lists are one object a line: there is no --jq, a pipe to jq does the same. Nobody acts as somebody else: there is\n" +
			"no --as; what others can ask for, curfew why and curfew who-can say.",
		Args: a.known, RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context(), "") },
	}
	root.SetIn(a.in)
	root.SetOut(a.parts.Stdout)
	root.SetErr(a.parts.Stderr)
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Sprint(err), cmd.CommandPath()+" --help")
	})
	f := root.PersistentFlags()
	f.StringVar(&a.opt.server, "server", "", "the gateway's address (or CURFEW_SERVER)")
	f.BoolVar(&a.opt.json, "json", false, "JSON on standard output, and nothing else")
	f.BoolVarP(&a.opt.quiet, "quiet", "q", false, "say only what was asked for")
	f.BoolVar(&a.opt.noInput, "no-input", false, "never ask anything")
	f.BoolVar(&a.opt.yes, "yes", false, "do not ask for confirmation")
	f.DurationVar(&a.opt.timeout, "timeout", 0, "the longest to wait, for an answer or an approval")
	for _, g := range a.groups() {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.AddCommand(exitCodesHelp())
	a.completions(root)
	return root
}

// group is one block of the help.
type group struct {
	id, title string
	commands  []*cobra.Command
}

func (a *app) groups() []group {
	run := []*cobra.Command{a.addCommand(), a.doctorCommand(), a.versionCommand()}
	if a.parts.Up != nil {
		run = append(run, passedOn("up", "Run a gateway here", a.parts.Up))
	}
	if a.parts.Restore != nil {
		run = append(run, passedOn("restore", "Go on from an older ledger, or begin another deployment after one, lawfully", a.parts.Restore))
	}
	if a.parts.Demo != nil {
		run = append(run, passedOn("demo", "Play the story, in a temporary folder", a.parts.Demo))
	}
	return []group{
		{"everyday", "Everyday:", []*cobra.Command{
			a.loginCommand(), a.logoutCommand(), a.statusCommand(), a.findCommand(), a.requestCommand(), a.requestsCommand(), a.cancelCommand(),
			a.connectCommand(), a.runCommand(), a.envCommand(), a.sshConfigCommand(), a.grantsCommand(), a.extendCommand(), a.giveBackCommand(), a.passphraseCommand(), a.passkeysCommand(),
		}},
		{"decide", "Decide:", []*cobra.Command{a.reviewCommand(), a.showCommand(), a.approveCommand(), a.denyCommand()}},
		{"watch", "Watch:", []*cobra.Command{
			a.cutCommand(), a.sessionsCommand(), a.watchCommand(), a.replayCommand(), a.transcriptCommand(), a.timelineCommand(), a.auditCommand(), a.ledgerCommand(),
		}},
		{"understand", "Understand:", []*cobra.Command{a.canCommand(), a.whyCommand(), a.whoCanCommand(), a.explainCommand()}},
		{"configure", "Configure:", []*cobra.Command{
			a.validateCommand(), a.planCommand(), a.applyCommand(), a.exportCommand(), a.schemaCommand(), a.workflowCommand(), a.peopleCommand(), a.inviteCommand(), a.disableCommand(),
		}},
		{"run", "Run:", run},
	}
}

// passedOn is a command that is not ours: it parses its own flags.
func passedOn(name, short string, f func(context.Context, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := f(cmd.Context(), args)
			if errors.Is(err, flag.ErrHelp) {
				return nil // it has been given
			}
			return err
		},
	}
}

// known refuses words that are no command.
func (a *app) known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	run := cmd.CommandPath() + " --help"
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		run = cmd.CommandPath() + " " + near[0]
	}
	return usage(fmt.Sprintf("there is no command %q", clean(args[0])), run)
}

// between checks how many arguments there are; most < 0: any number.
func between(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage("something is missing: "+cmd.UseLine(), cmd.CommandPath()+" --help")
		case most >= 0 && len(args) > most:
			return usage(fmt.Sprintf("%q is one word too many: %s", clean(args[most]), cmd.UseLine()), cmd.CommandPath()+" --help")
		}
		return nil
	}
}
