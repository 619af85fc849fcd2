"""Spellings of this machine and of other inner addresses, as a URL has them between "//" and the port."""

# ruff: noqa: RUF001
SPELLINGS = tuple(
    word
    for line in (
        "127.0.0.1 127.1 127.0.1 127.000.000.001 0127.0.0.1 0177.0.0.1 0177.0.0.01 0x7f.0.0.1 0x7f.1 0x7f000001",
        "0X7F000001 2130706433 017700000001 0 0.0.0.0 127.127.127.127 127.0.0.1. localhost localhost. LOCALHOST",
        "LocalHost localhost.localdomain foo.localhost ip6-localhost [::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1]",
        "[::ffff:7f00:1] [0000::1] [::127.0.0.1] [64:ff9b::7f00:1] [2002:7f00:1::] [fe80::1] [fe80::1%25lo] [fc00::1]",
        "[fec0::1] [ff02::1] [::1]. ①②⑦.⓪.⓪.① 127。0。0。1 １２７.０.０.１ ⓛⓞⓒⓐⓛⓗⓞⓢⓣ loc\u200balhost 127.0.0.1\u200b",
        "169.254.169.254 [fd00:ec2::254] 168.63.129.16 10.0.0.1 172.16.0.1 192.168.0.1 100.64.0.1 198.18.0.1 224.0.0.1",
        "255.255.255.255 metadata metadata.google.internal router.local printer.lan intranet 3232235521 0xc0a80001",
        "127.0.0.1%00.example.org example.org%2f@127.0.0.1 user:word@127.0.0.1 user@localhost example.org@127.0.0.1",
        "127.0.0.1%2e 127%2e0%2e0%2e1 %6c%6f%63%61%6c%68%6f%73%74 127.0.0.0x1 127.0.0x1 0x7f.0x0.0x0.0x1",
        "00000177.0.0.1 127.0.0.1#.example.org 127.0.0.1\\\\.example.org [127.0.0.1] 127.0.0.1:80:443",
        "::1 127.0.0.1,example.org 1.0.0.127.in-addr.arpa .127.0.0.1 127..0.1",
    )
    for word in line.split()
)
