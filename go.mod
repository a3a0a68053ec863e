module github.com/curfewhq/curfew

go 1.26
