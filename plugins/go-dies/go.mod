module go-dies

go 1.24
