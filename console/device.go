package console

import (
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/api"
	"github.com/curfewhq/curfew/identity"
)

// devicePages let a client in that waits with a code. No link fills the code in:
// whoever is sent one types nothing, and lets nobody in.
func (s *Server) devicePages() {
	s.visit("GET /device", func(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
		s.showDevice(w, r, v, http.StatusOK, deviceForm{})
		return nil
	})
	s.visit("POST /device", s.device)
}

// deviceForm is the page: first a code, then who waits with it.
type deviceForm struct {
	Code, Wrong string
	Found       *identity.Device
}

func (s *Server) showDevice(w http.ResponseWriter, r *http.Request, v api.Visitor, status int, form deviceForm) {
	s.show(w, r, status, "device.html", view{Title: "Let a client in", Name: s.parts.API.Me(r.Context(), v).Name, CSRF: v.CSRF(), Body: form})
}

func (s *Server) device(w http.ResponseWriter, r *http.Request, v api.Visitor) error {
	form := deviceForm{Code: r.PostFormValue("code")}
	if len(form.Code) > 40 {
		form.Code = ""
	}
	d, err := identity.Device{}, error(nil)
	if r.PostFormValue("let") == "in" {
		if d, err = s.parts.API.LetIn(r.Context(), v, form.Code); err == nil {
			s.show(w, r, http.StatusOK, "said.html", view{Title: "It is in", Name: s.parts.API.Me(r.Context(), v).Name, CSRF: v.CSRF(),
				Body: d.Name + " at " + d.Address + " may ask for access in your name. It can use nothing, and decide nothing. You end it under your sign-ins."})
			return nil
		}
	} else if d, err = s.parts.API.Device(v, form.Code); err == nil {
		form.Found = &d
	}
	if err == nil {
		s.showDevice(w, r, v, http.StatusOK, form)
		return nil
	}
	e, ours := asError(err)
	if !ours || e.Code == curfew.Internal {
		return err
	}
	form.Wrong = e.Message
	status, _ := statusOf(e.Code)
	s.showDevice(w, r, v, status, form)
	return nil
}
