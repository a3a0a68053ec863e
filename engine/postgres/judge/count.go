package judge

// Count is how many statements a text holds, as PostgreSQL's grammar splits it.
func (p *Parser) Count(text string) (int, error) {
	parsed := p.parse(text)
	if parsed.err != nil {
		return 0, parsed.err
	}
	return len(parsed.statements), nil
}
