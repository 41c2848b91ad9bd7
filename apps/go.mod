module private-api/apps

go 1.26
