package ssh

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
)

func lines(may ...string) curfew.Permission { return curfew.Permission{May: may} }

func TestPermissionsThatAreRefused(t *testing.T) {
	for name, p := range map[string]curfew.Permission{
		"nobody to become":           lines("shell"),
		"nothing to do":              lines("login deploy"),
		"only a terminal":            lines("login deploy", "pty"),
		"no such verb":               lines("login deploy", "sudo reboot"),
		"a login with a path":        lines("login ../root", "shell"),
		"a login with an option":     lines("login -oProxyCommand", "shell"),
		"two lines in one":           lines("login deploy", "run true\nrun false"),
		"a relative path":            lines("login deploy", "read var/log"),
		"a path with dots":           lines("login deploy", "read /var/../etc/**"),
		"a pattern in a path":        lines("login deploy", "read /home/*/x"),
		"a port that is none":        lines("login deploy", "forward db:70000"),
		"port zero":                  lines("login deploy", "forward db:0"),
		"no host":                    lines("login deploy", "forward :22"),
		"force and shell":            lines("login deploy", "force backup", "shell"),
		"two forced commands":        lines("login deploy", "force a", "force b"),
		"never to all of it":         {May: []string{"login deploy", "shell"}, Never: []string{"shell"}},
		"a never that cannot be":     {May: []string{"login deploy", "shell"}, Never: []string{"run rm **"}},
		"a never that is no line":    {May: []string{"login deploy", "run true"}, Never: []string{"sudo"}},
		"words behind a single word": lines("login deploy", "shell bash"),
	} {
		if _, err := parse(p); curfew.CodeOf(err) != curfew.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if New(Keys{}).Covers(lines("login deploy", "run anything"), p) {
			t.Errorf("%s is covered", name)
		}
	}
}

func TestWhatACommandIs(t *testing.T) {
	may, err := parse(curfew.Permission{
		May:   []string{"login deploy", "run systemctl restart *", "run tail **", "run git-upload-pack *", "run sh -c 'exact; words'"},
		Never: []string{"run tail /etc/shadow"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]bool{
		"systemctl restart nginx": true, "systemctl restart nginx.service": true, "sh -c 'exact; words'": true, "git-upload-pack '/srv/repo.git'": true,
		"tail": true, "tail -n 5 /var/log/syslog": true, "tail -f a b c": true,
		"systemctl restart": false, "systemctl restart a b": false, "systemctl restart -H": false, "systemctl stop nginx": false,
		"systemctl restart $(id)": false, "systemctl restart a;id": false, "systemctl restart a&id": false, "systemctl restart a|id": false,
		"systemctl restart a\nid": false, "systemctl restart `id`": false, "systemctl restart a>b": false, "systemctl  restart nginx": false,
		" systemctl restart nginx": false, "systemctl restart \"a\"": false, "systemctl restart 'a;id'": false, "systemctl restart ''": false,
		"systemctl restart a{b,c}": false, "systemctl restart ~root": false, "systemctl restart *": false, "systemctl restart \\a": false, "systemctl restart é": false,
		"tail /etc/shadow": false, "tail '/etc/shadow'": false, "'tail' /etc/shadow": false, "tail $x": false, "tail a;b": false, "systemctl restart 'a'b'": false, "SYSTEMCTL restart nginx": false, "": false,
	} {
		if may.mayRun(command) != want {
			t.Errorf("%q: %v", command, !want)
		}
	}
}

func TestCovers(t *testing.T) {
	e := New(Keys{})
	for name, c := range map[string]struct {
		a, b curfew.Permission
		want bool
	}{
		"the same":                    {lines("login a", "shell"), lines("login a", "shell"), true},
		"another login":               {lines("login a", "shell"), lines("login b", "shell"), false},
		"anything covers a command":   {lines("login a", "run anything"), lines("login a", "run x"), true},
		"a shell is not a command":    {lines("login a", "shell"), lines("login a", "run x"), false},
		"a pattern covers a command":  {lines("login a", "run x *"), lines("login a", "run x y"), true},
		"a pattern and an option":     {lines("login a", "run x *"), lines("login a", "run x -y"), false},
		"a pattern and a wider one":   {lines("login a", "run x *"), lines("login a", "run x **"), false},
		"a folder covers below":       {lines("login a", "read /var/**"), lines("login a", "read /var/log/**"), true},
		"a folder and its neighbour":  {lines("login a", "read /var/**"), lines("login a", "read /variety"), false},
		"reading is not writing":      {lines("login a", "read anything"), lines("login a", "write /x"), false},
		"every port covers one":       {lines("login a", "forward db:*"), lines("login a", "forward db:5432"), true},
		"a shell has its terminal":    {lines("login a", "shell", "run x"), lines("login a", "run x", "pty"), true},
		"never must be never there":   {curfew.Permission{May: []string{"login a", "read /var/**"}, Never: []string{"read /var/key"}}, lines("login a", "read /var/**"), false},
		"never elsewhere is no never": {curfew.Permission{May: []string{"login a", "read /var/**"}, Never: []string{"read /var/key"}}, lines("login a", "read /var/log"), true},
		"forced":                      {lines("login a", "force x"), lines("login a", "force x"), true},
		"forced otherwise":            {lines("login a", "force x"), lines("login a", "force y"), false},
	} {
		if got := e.Covers(c.a, c.b); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestEffectIsPlain(t *testing.T) {
	effect, dangers := New(Keys{}).Effect(curfew.Permission{May: []string{"login root", "login deploy", "shell", "read /var/log/**", "forward db:5432", "agent"}, Never: []string{"listen"}})
	if want := "as root and deploy: open a shell; fetch files: /var/log/**; reach through it db port 5432; never listen any address"; effect != want {
		t.Errorf("%s", effect)
	}
	if all := strings.Join(dangers, "\n"); len(dangers) != 3 || !strings.Contains(all, "becomes root") || !strings.Contains(all, "own keys") {
		t.Error(all)
	}
}

func TestShapesHoldNoValues(t *testing.T) {
	const canary = "s3cret"
	for _, it := range []record.Item{
		{Kind: record.Statement, Text: "PGPASSWORD=s3cret psql"}, {Kind: record.Statement, Text: "cat /home/s3cret"}, {Kind: record.Output, Text: canary},
		{Kind: record.Input, Text: canary}, {Kind: record.Refused, Text: "read /s3cret", Error: "no s3cret"}, {Kind: record.Outcome, Tag: "sha256:s3cret"},
		{Kind: "made-up", Text: canary}, {Kind: record.Statement, Text: "s3cret;x"},
	} {
		got := New(Keys{}).Shape(it)
		if strings.Contains(got.Text+got.Tag+got.Error, canary) {
			t.Errorf("%+v", got)
		}
	}
}
