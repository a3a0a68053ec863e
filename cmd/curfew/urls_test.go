package main

import (
	"io"
	"testing"
)

func TestApplicationsAreAnotherSite(t *testing.T) {
	for _, c := range []struct {
		console, apps string
		ok            bool
	}{
		{"http://curfew.localhost:7080", "http://*.localhost:7443", true},
		{"https://curfew.example.com", "https://*.apps.example.net", true},
		{"https://curfew.example.co.uk", "https://*.other.co.uk", true},
		{"https://a.github.io", "https://*.b.github.io", true},
		{"https://127.0.0.1:7080", "https://*.apps.example.net", true},
		{"https://curfew.example.com", "https://*.example.com", false},
		{"https://curfew.example.com", "https://*.apps.example.com", false},
		{"https://example.com", "https://*.curfew.example.com", false},
		{"https://curfew.example.co.uk", "https://*.apps.example.co.uk", false},
		{"https://curfew.localhost", "https://*.curfew.localhost", false},
		{"https://curfew.example.com", "", true},
	} {
		if err := apart(c.console, c.apps); (err == nil) != c.ok {
			t.Errorf("%s and %s: %v", c.console, c.apps, err)
		}
	}
	for _, args := range [][]string{
		{"--url", "http://curfew.example.com"}, {"--url", "https://curfew.example.com/x"}, {"--url", "curfew.example.com"}, {"--url", "https://*.example.com"},
		{"--apps-url", "https://apps.example.net"}, {"--apps-url", "https://*"}, {"--apps-url", "http://*.apps.example.net"}, {"--apps-url", "https://*.*.net"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	o, err := parseOptions([]string{"--url", "https://Curfew.example.com/", "--apps-url", "https://*.apps.example.net:8443"}, io.Discard)
	if err != nil || o.url != "https://curfew.example.com" || o.appsURL != "https://*.apps.example.net:8443" || len(o.names) != 2 {
		t.Errorf("%+v %v", o, err)
	}
}
