module github.com/sluice-mail/sluice/guest-sdk/go

go 1.24
