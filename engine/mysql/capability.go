package mysql

// Capabilities (client/server protocol, "Capabilities Flags").
const (
	longPassword    = 1 << 0
	foundRows       = 1 << 1
	longFlag        = 1 << 2
	withDatabase    = 1 << 3
	odbc            = 1 << 6
	ignoreSpace     = 1 << 8
	protocol41      = 1 << 9
	interactive     = 1 << 10
	withTLS         = 1 << 11
	transactions    = 1 << 13
	secure          = 1 << 15
	multiStatements = 1 << 16
	multiResults    = 1 << 17
	psMultiResults  = 1 << 18
	pluginAuth      = 1 << 19
	connectAttrs    = 1 << 20
	lenencAuth      = 1 << 21
)

// meaning are the capabilities that change what a session means. Both legs agree on
// them, so that packets go on as they are. What is in no list here is never offered and
// never claimed: compression, LOCAL INFILE, session tracking, results without their EOF.
const meaning = foundRows | longFlag | odbc | ignoreSpace | interactive | transactions | multiStatements | multiResults | psMultiResults

// offered is what the gateway's greeting says.
const offered = longPassword | meaning | withDatabase | protocol41 | secure | pluginAuth | connectAttrs | lenencAuth

// needed is what a client must speak.
const needed = protocol41 | secure | pluginAuth

// Status flags that say how an answer goes on.
const (
	inTransaction = 1 << 0
	autocommit    = 1 << 1
	moreResults   = 1 << 3
	cursorExists  = 1 << 6
)
