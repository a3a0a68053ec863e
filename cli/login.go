package cli

import (
	"context"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

// loginArgs are the flags of login.
type loginArgs struct {
	email, ca        string
	plain, fromStdin bool
	device           bool
}

func (a *app) loginCommand() *cobra.Command {
	var in loginArgs
	cmd := &cobra.Command{
		Use: "login [LINK]", Short: "Sign in: with the link you were given, or with address and passphrase", Args: between(0, 1),
		Example: "  curfew login 'https://curfew.example.com/join?key=cfl.…'\n  curfew login --server https://curfew.example.com --email alice@example.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			link := ""
			if len(args) == 1 {
				link = args[0]
			}
			return a.login(cmd.Context(), link, in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.email, "email", "", "your address")
	f.BoolVar(&in.device, "device", false, "sign in by a code that you type into a browser elsewhere: this machine may then ask, and use nothing")
	f.StringVar(&in.ca, "ca", "", "a PEM file: the only certificate authority to trust")
	f.BoolVar(&in.plain, "plain-http", false, "allow http to another machine, on a network that is trusted")
	f.BoolVar(&in.fromStdin, "passphrase-stdin", false, "read the passphrase from the first line of standard input")
	return cmd
}

// splitLink takes a sign-in link apart: https://host/join?key=cfl.…, the older /join#cfl.…, or cfl.… alone.
func splitLink(text string) (server, link string, err error) {
	if strings.HasPrefix(text, "cfl.") {
		return "", text, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", "", usage("this is no sign-in link: one looks like https://curfew.example.com/join?key=cfl.…")
	}
	if link = u.Query().Get("key"); link == "" {
		link = u.Fragment
	}
	if link != "" && !strings.HasPrefix(link, "cfl.") {
		return "", "", usage("this is no sign-in link: what follows key= begins with cfl.")
	}
	return u.Scheme + "://" + u.Host, link, nil
}

func (a *app) login(ctx context.Context, text string, in loginArgs) error {
	server, link := "", ""
	if text != "" {
		var err error
		if server, link, err = splitLink(text); err != nil {
			return err
		}
	}
	if server == "" || a.opt.server != "" {
		kept, _, err := a.connection()
		if err != nil && server == "" {
			return usage("which gateway? Give its link, or --server", "curfew login --server https://…")
		}
		server = kept
	}
	server, err := client.CleanServer(server)
	if err != nil {
		return err
	}
	login := client.Login{PlainHTTP: in.plain}
	if in.ca != "" {
		pem, err := os.ReadFile(in.ca)
		if err != nil {
			return usage("the certificate authority cannot be read: " + err.Error())
		}
		login.CA = string(pem)
	}
	if kept, ok := a.kept(server); ok && in.ca == "" {
		login.CA, login.PlainHTTP = kept.CA, kept.PlainHTTP || in.plain
	}
	c, err := a.newClient(server, login)
	if err != nil {
		return err
	}
	got, err := a.signIn(ctx, c, link, in)
	if err != nil {
		return err
	}
	login.Token, login.Name, login.Email, login.Until = got.Token, got.Me.Name, got.Me.Email, got.Me.Until
	if err := a.keepLogin(server, &login); err != nil {
		return err
	}
	if signed, err := a.newClient(server, login); err == nil {
		a.sshAfterLogin(ctx, signed)
	}
	return emit(a, "me", got.Me, func(me client.Me) {
		a.done("Signed in to %s as %s until %s.", clean(me.Deployment), clean(me.Name), a.clock(me.Until))
		if me.Asks {
			a.note("This sign-in asks, and uses nothing: to connect from here, sign in with your passphrase.")
		}
	})
}

func (a *app) signIn(ctx context.Context, c *client.Client, link string, in loginArgs) (client.SignedIn, error) {
	if in.device {
		if link != "" || in.email != "" {
			return client.SignedIn{}, usage("--device takes no link and no --email: who you are is said in the browser")
		}
		return a.deviceLogin(ctx, c)
	}
	ask := client.SignIn{Link: link, Email: in.email, Device: deviceName()}
	if err := a.proof(ctx, &ask, in.fromStdin); err != nil {
		return client.SignedIn{}, err
	}
	return c.SignIn(ctx, ask)
}

// deviceLogin waits until somebody has typed this client's code into their browser.
func (a *app) deviceLogin(ctx context.Context, c *client.Client) (client.SignedIn, error) {
	w, err := c.AwaitDevice(ctx, client.DeviceAsk{Device: deviceName()})
	if err != nil {
		return client.SignedIn{}, err
	}
	every, err := time.ParseDuration(w.Every)
	if err != nil || every < 100*time.Millisecond {
		every = 2 * time.Second
	}
	a.note("In a browser where you are signed in, open %s and type %s (until %s).", clean(w.Page), clean(w.Code), a.clock(w.Until))
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return client.SignedIn{}, context.Cause(ctx)
		case <-tick.C:
		}
		got, err := c.CollectDevice(ctx, w.Secret)
		if err != nil {
			return client.SignedIn{}, err
		}
		if got.Token != "" && got.Me != nil {
			return client.SignedIn{Token: got.Token, Me: *got.Me}, nil
		}
	}
}

// proof fills in the passphrase, and the address where there is no link.
func (a *app) proof(ctx context.Context, ask *client.SignIn, stdin bool) (err error) {
	if ask.Link != "" {
		ask.Passphrase, err = a.newPassphrase(ctx, stdin)
		return err
	}
	if ask.Email == "" {
		if !a.asks() {
			return usage("whose sign-in? Add --email")
		}
		if ask.Email, err = a.line(ctx, "Your address", ""); err != nil {
			return err
		}
	}
	ask.Passphrase, err = a.passphrase(ctx, stdin, "Passphrase")
	return err
}

func deviceName() string {
	name, err := os.Hostname()
	if err != nil {
		return "a command line"
	}
	return "curfew on " + clean(name)
}

func (a *app) kept(server string) (client.Login, bool) {
	dir, err := a.dir()
	if err != nil {
		return client.Login{}, false
	}
	all, err := client.ReadCredentials(dir)
	l, ok := all.Servers[server]
	return l, ok && err == nil
}

// keepLogin keeps a sign-in and makes its server the current one; nil forgets it.
func (a *app) keepLogin(server string, l *client.Login) error {
	dir, err := a.dir()
	if err != nil {
		return err
	}
	all, err := client.ReadCredentials(dir)
	if err != nil {
		return err
	}
	if l != nil {
		all.Servers[server], all.Current = *l, server
		return client.WriteCredentials(dir, all)
	}
	delete(all.Servers, server)
	if all.Current == server {
		all.Current = ""
		for other := range all.Servers {
			all.Current = max(all.Current, other)
		}
	}
	return client.WriteCredentials(dir, all)
}

func (a *app) logoutCommand() *cobra.Command {
	var everywhere bool
	cmd := &cobra.Command{
		Use: "logout", Short: "Sign out of this machine, or everywhere", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.logout(cmd.Context(), everywhere) },
	}
	cmd.Flags().BoolVar(&everywhere, "everywhere", false, "make every earlier sign-in and credential of yours worthless")
	return cmd
}

func (a *app) logout(ctx context.Context, everywhere bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	if everywhere {
		_, err = c.SignOutEverywhere(ctx)
	} else {
		err = c.SignOut(ctx)
	}
	// A token that is over already is as good as withdrawn.
	if f := client.FailureOf(err); err != nil && (f == nil || exitOf(f.Fault) != exitNotSignedIn) {
		return err
	}
	if err := a.keepLogin(c.Server(), nil); err != nil {
		return err
	}
	if place, err := a.sshPlace(c.Server()); err == nil {
		place.forget()
	}
	return emit(a, "done", struct {
		Server     string `json:"server"`
		Everywhere bool   `json:"everywhere"`
	}{c.Server(), everywhere}, func(struct {
		Server     string `json:"server"`
		Everywhere bool   `json:"everywhere"`
	}) {
		if everywhere {
			a.done("Signed out everywhere: every earlier sign-in and credential of yours is worthless.")
			return
		}
		a.done("Signed out of %s.", c.Server())
	})
}

func (a *app) passphraseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "passphrase", Short: "Change your passphrase", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			old, err := a.passphrase(cmd.Context(), false, "Passphrase now")
			if err != nil {
				return err
			}
			next, err := a.newPassphrase(cmd.Context(), false)
			if err != nil {
				return err
			}
			if err := c.ChangePassphrase(cmd.Context(), old, next); err != nil {
				return err
			}
			a.done("Your passphrase is changed.")
			return nil
		},
	}
}
