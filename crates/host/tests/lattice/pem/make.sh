#!/bin/sh
# Makes the certificates of these tests anew: an authority with hosts of the lattices "test" and "other", and another authority.
set -eu
cd "$(dirname "$0")"

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=$1" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout "$1.key" -out "$1.pem"
}

host() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$3" -keyout "$2.key" -out "$2.csr"
    printf 'subjectAltName=DNS:%s.wisp.internal\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n' "$3" > "$2.ext"
    openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -days 36500 -extfile "$2.ext" -out "$2.pem"
    rm "$2.csr" "$2.ext"
}

authority ca
authority foreign
for name in a b c; do host ca "$name" "$name.test"; done
host ca other "a.other"
host foreign false "b.test"
rm ca.key foreign.key ./*.srl 2>/dev/null || true
