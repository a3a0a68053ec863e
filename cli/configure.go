package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/config"
)

// defaultFile is the configuration where none is named.
const defaultFile = "curfew.yaml"

// applyArgs are the flags of plan, apply and validate.
type applyArgs struct {
	files            []string
	plan             string
	check, fromStdin bool
}

func fileFlag(cmd *cobra.Command, in *applyArgs) {
	cmd.Flags().StringArrayVarP(&in.files, "file", "f", nil, "a configuration file, - for standard input; may be repeated (default curfew.yaml and curfew.d/*.yaml)")
}

// readFiles reads the files that were named, or the ones that are there.
func (a *app) readFiles(named []string) ([]client.File, error) {
	paths := named
	if len(paths) == 0 {
		paths, _ = filepath.Glob("curfew.d/*.yaml") // the pattern is right
		paths = append([]string{defaultFile}, paths...)
	}
	var out []client.File
	for _, p := range paths {
		var text []byte
		var err error
		if p == "-" {
			text, err = io.ReadAll(io.LimitReader(a.in, 1<<20))
			p = "stdin"
		} else {
			text, err = os.ReadFile(p)
		}
		if err != nil {
			return nil, failed(exitUsage, "file", fmt.Sprintf("the file %s cannot be read: %v; name another with -f", clean(p), errors.Unwrap(err)))
		}
		out = append(out, client.File{Name: p, Text: string(text)})
	}
	return out, nil
}

// parseLocally finds the faults that need no gateway.
func parseLocally(files []client.File) (*config.File, []config.Problem) {
	var parsed []*config.File
	var problems []config.Problem
	for _, f := range files {
		file, found := config.Parse(f.Name, []byte(f.Text))
		problems = append(problems, found...)
		if file != nil {
			parsed = append(parsed, file)
		}
	}
	if config.Failed(problems) {
		return nil, problems
	}
	file, found := config.Merge(parsed...)
	return file, append(problems, found...)
}

func (a *app) validateCommand() *cobra.Command {
	var in applyArgs
	cmd := &cobra.Command{
		Use: "validate", Short: "Check configuration files and run their tests", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.validate(cmd.Context(), in) },
	}
	fileFlag(cmd, &in)
	return cmd
}

// validate checks here, and by the gateway where somebody is signed in: only it
// knows people, engines and what the tests come to.
func (a *app) validate(ctx context.Context, in applyArgs) error {
	files, err := a.readFiles(in.files)
	if err != nil {
		return err
	}
	_, found := parseLocally(files)
	out := client.Plan{Status: "planned", Lines: []string{}, Problems: clientProblems(found)}
	where := "here only: you are not signed in, so people, resources and tests were not checked"
	if !config.Failed(found) {
		if c, err := a.client(); err == nil {
			if out, err = c.Validate(ctx, client.Files{Files: files}); err != nil {
				return err
			}
			where = "by " + c.Server()
		}
	}
	err = emit(a, "plan", out, func(p client.Plan) {
		a.problems(p)
		if broken(p) == nil {
			a.done("%s checked %s.", listFiles(files), where)
		}
	})
	return errorsAfter(err, broken(out))
}

func listFiles(files []client.File) string {
	var list []string
	for _, f := range files {
		list = append(list, f.Name)
	}
	return names(list, "and")
}

func clientProblems(in []config.Problem) []client.Problem {
	var out []client.Problem
	for _, p := range in {
		out = append(out, client.Problem{Where: p.Place.String(), Text: p.Message, Fix: p.Fix, Warning: p.Warning})
	}
	return out
}

// problems lists faults on standard error, as compilers do.
func (a *app) problems(p client.Plan) {
	for _, x := range p.Problems {
		text := prose(x.Where) + ": "
		if x.Warning {
			text += "warning: "
		}
		text += prose(x.Text)
		if x.Fix != "" {
			text += " → " + prose(x.Fix)
		}
		a.errf("%s\n", text)
	}
	for _, t := range p.Tests {
		for _, line := range strings.Split(t, "\n") {
			a.errf("%s\n", prose(line))
		}
	}
}

// broken is the error of files that cannot be applied.
func broken(p client.Plan) error {
	faults := 0
	for _, x := range p.Problems {
		if !x.Warning {
			faults++
		}
	}
	switch {
	case faults > 0:
		return failed(exitFailed, "config.invalid", fmt.Sprintf("the files have %s; nothing was changed", plural(faults, "fault")))
	case len(p.Tests) > 0:
		return failed(exitDifferent, "config.tests", fmt.Sprintf("%s of the files failed; nothing was changed", plural(len(p.Tests), "test")))
	}
	return nil
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (a *app) planCommand() *cobra.Command {
	var in applyArgs
	cmd := &cobra.Command{
		Use: "plan", Short: "Say what configuration files would change, and for whom", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.plan(cmd.Context(), in) },
	}
	fileFlag(cmd, &in)
	cmd.Flags().BoolVar(&in.check, "check", false, "exit 8 if anything would change")
	return cmd
}

func (a *app) plan(ctx context.Context, in applyArgs) error {
	c, files, err := a.clientAndFiles(in)
	if err != nil {
		return err
	}
	p, err := c.Plan(ctx, client.Files{Files: files})
	if err != nil {
		return err
	}
	err = emit(a, "plan", p, func(p client.Plan) {
		a.problems(p)
		if broken(p) == nil {
			a.showPlan(p, applyHint(in.files))
		}
	})
	if err = errorsAfter(err, broken(p)); err != nil {
		return err
	}
	if in.check && (p.Status != "empty" || len(p.NewPeople) > 0) {
		return exit{code: exitDifferent}
	}
	return nil
}

// clientAndFiles is the client and the files, parsed once here so that a slip
// of the pen needs no gateway.
func (a *app) clientAndFiles(in applyArgs) (*client.Client, []client.File, error) {
	files, err := a.readFiles(in.files)
	if err != nil {
		return nil, nil, err
	}
	if _, found := parseLocally(files); config.Failed(found) {
		p := client.Plan{Status: "planned", Lines: []string{}, Problems: clientProblems(found)}
		return nil, nil, errorsAfter(emit(a, "plan", p, a.problems), broken(p))
	}
	c, err := a.client()
	return c, files, err
}

func applyHint(files []string) string {
	hint := "curfew apply"
	for _, f := range files {
		hint += " -f " + f
	}
	return hint
}

// showPlan shows a change: the lines, who gains, who else must agree.
func (a *app) showPlan(p client.Plan, hint string) {
	if p.Author != "" {
		a.outf("%s proposed this %s ago\n", clean(p.Author), minutes(a.now().Sub(p.At)))
	}
	for _, line := range p.Lines {
		a.outf("%s\n", prose(line))
	}
	for _, who := range p.NewPeople {
		a.outf("+ person %s   new\n", clean(who))
	}
	if p.Status == "empty" && len(p.NewPeople) == 0 {
		a.outf("Nothing would change\n")
		return
	}
	a.outf("\nEffect on people\n")
	if len(p.Gains) == 0 {
		a.outf("  nobody gains anything: it acts at once\n")
	}
	for _, g := range p.Gains {
		a.outf("  + %s\n", prose(g))
	}
	if len(p.Gainers) > 0 {
		a.outf("  %d gain   %s\n", len(p.Gainers), names(p.Gainers, "and"))
	}
	switch {
	case len(p.Gains) == 0:
	case p.Bootstrap:
		a.outf("There are not two administrators yet, so one person may apply this alone. The ledger says so.\n")
	default:
		a.outf("Somebody gains, so a second administrator who gains nothing by it must agree.\n")
	}
	if hint != "" {
		a.outf("Apply with: %s\n", clean(hint))
	}
	if p.ID != "" {
		a.outf("%s\n", a.dim(clean(p.ID)))
	}
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "The JSON Schema of curfew.yaml, for editors", Args: between(0, 0),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.parts.Stdout.Write(config.Schema())
			return err
		},
	}
}
