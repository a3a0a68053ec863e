package reach

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

func TestNothingIsDialledWithoutAPermitOrAnErrand(t *testing.T) {
	d := &Dialer{}
	if _, err := d.Session(context.Background(), nil); curfew.CodeOf(err) != curfew.Denied {
		t.Fatal(err)
	}
	if _, err := d.Session(context.Background(), &access.Permit{}); curfew.CodeOf(err) != curfew.Denied {
		t.Fatal(err)
	}
	if _, err := d.Errand(context.Background(), access.Errand{}); curfew.CodeOf(err) != curfew.Denied {
		t.Fatal(err)
	}
}

func TestAddressesThatAreNoResource(t *testing.T) {
	d := &Dialer{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	d.Own(ln.Addr())
	own := netip.MustParseAddrPort(ln.Addr().String())
	d.own = append(d.own, netip.MustParseAddrPort("0.0.0.0:7432"))
	for to, ok := range map[string]bool{
		"169.254.169.254:80": false, "[fe80::1]:5432": false, "[fd00:ec2::254]:80": false, "100.100.100.200:80": false,
		"0.0.0.0:5432": false, "224.0.0.1:5432": false, "127.0.0.1:7432": false, own.String(): false,
		"127.0.0.1:5432": true, "10.1.2.3:5432": true, "127.0.0.2:7432": false,
	} {
		if err := d.allowed(curfew.Resource{Name: "db"}, netip.MustParseAddrPort(to)); (err == nil) != ok {
			t.Errorf("%s: %v", to, err)
		}
	}
}

func TestAnErrandIsForAResourceAsItIs(t *testing.T) {
	var s access.Errand
	if s.Valid() {
		t.Fatal("the zero errand is valid")
	}
}
