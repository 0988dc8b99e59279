module anti-spoof

go 1.24

require github.com/sluice-mail/sluice/guest-sdk/go v0.1.0

replace github.com/sluice-mail/sluice/guest-sdk/go => ../../guest-sdk/go
