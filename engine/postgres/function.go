package postgres

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew/engine/postgres/judge"
	"github.com/curfewhq/curfew/record"
)

// A FunctionCall message calls a function by its number in the target's catalog.
// libpq does it for large objects and nothing else; their numbers are the same on
// every server. What is called by another number is recorded by it, and refused
// before a fixed account, where a statement's text is what is judged.
//
//nolint:gochecknoglobals // a table
var largeObjects = map[uint32]string{
	715:  "lo_create(oid)",
	764:  "lo_import(text)",
	765:  "lo_export(oid,text)",
	767:  "lo_import(text,oid)",
	952:  "lo_open(oid,integer)",
	953:  "lo_close(integer)",
	954:  "loread(integer,integer)",
	955:  "lowrite(integer,bytea)",
	956:  "lo_lseek(integer,integer,integer)",
	957:  "lo_creat(integer)",
	958:  "lo_tell(integer)",
	964:  "lo_unlink(oid)",
	1004: "lo_truncate(integer,integer)",
	3170: "lo_lseek64(integer,bigint,integer)",
	3171: "lo_tell64(integer)",
	3172: "lo_truncate64(integer,bigint)",
}

// undefinedFunction is how the target answers a call of the function number 0.
const undefinedFunction = "42883"

// functionText is the statement that a call stands for; known says that it is one.
func functionText(oid uint32, args int) (text string, known bool) {
	var types []string
	name, ok := largeObjects[oid]
	if name, list, found := strings.Cut(strings.TrimSuffix(name, ")"), "("); ok && found {
		if types = strings.Split(list, ","); len(types) == args {
			for i, t := range types {
				types[i] = "$" + strconv.Itoa(i+1) + "::" + t
			}
			return "SELECT pg_catalog." + name + "(" + strings.Join(types, ", ") + ")", true
		}
	}
	return "(call of the function with the number " + strconv.FormatUint(uint64(oid), 10) + ")", false
}

// parseFunction reads a FunctionCall message: number, formats, values, result format.
func parseFunction(body []byte) (oid uint32, values []record.Value, err error) {
	if len(body) < 4 {
		return 0, nil, malformed(badFunction)
	}
	oid = binary.BigEndian.Uint32(body)
	values, rest, ok := takeValues(body[4:])
	if !ok || len(rest) != 2 {
		return 0, nil, malformed(badFunction)
	}
	return oid, values, nil
}

const badFunction = "a FunctionCall message of another form"

// function is a FunctionCall message. A refused one goes on as the call of a
// function that no server has; the error is given our words on its way back.
func (r *relay) function(body []byte) error {
	oid, values, err := parseFunction(body)
	if err != nil {
		return err
	}
	text, known := functionText(oid, len(values))
	var no *judge.Refusal
	if r.wall != nil {
		if known {
			no = r.wall.Judge(text).Refused
		} else {
			no = &judge.Refusal{Rule: judge.RuleFunction, What: "a function that is called by its number cannot be judged", Fix: "call it in a statement"}
		}
	}
	if no == nil && r.holds != nil {
		if no, err = r.release(text, values, r.classes(text)); err != nil {
			return err
		}
	}
	if no != nil {
		clear(body[:4])
	}
	return r.s.Observe(r.log.function(text, values, no))
}

// function notes a FunctionCall message; no: it is refused.
func (s *statements) function(text string, values []record.Value, no *judge.Refusal) record.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := statementItem(s.next('F'), text, values, false)
	if no != nil {
		s.pending[len(s.pending)-1].is.no = no
		return refusedItem(it, no)
	}
	return it
}
