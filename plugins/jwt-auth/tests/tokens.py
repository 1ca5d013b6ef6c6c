# Prints tokens that other implementations make, with the public keys, as a JSON list: PyJWT, joserfc (both on OpenSSL), and gmssl for SM2.
import base64
import json
import warnings

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from gmssl import func, sm2
from joserfc import jwk as jose_jwk
from joserfc import jwt as jose_jwt

warnings.simplefilter("ignore")

CLAIMS = {"iss": "https://idp.example", "aud": ["web", "api"], "sub": "somebody", "exp": 1767225700}
SECRET = bytes(range(64))
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def private_key(alg):
    if alg in CURVES:
        return ec.generate_private_key(CURVES[alg])
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_jwk(alg, pem):
    if alg.startswith("HS"):
        return {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET).rstrip(b"=").decode()}
    return jose_jwk.import_key(pem, {"EdDSA": "OKP"}.get(alg, "EC" if alg in CURVES else "RSA")).as_dict(private=False)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def of_gmssl():
    secret = func.random_hex(64)
    key = sm2.CryptSM2(private_key=secret, public_key="")
    public = key._kg(int(secret, 16), sm2.default_ecc_table["g"])
    if public.startswith("04"):
        # gmssl 3.2.2 takes that for the mark of an uncompressed point and strips it, with every 0 and 4 behind it.
        return of_gmssl()
    key = sm2.CryptSM2(private_key=secret, public_key=public)
    header = base64url(json.dumps({"alg": "SM2-with-SM3"}).encode())
    signed = f"{header}.{base64url(json.dumps(CLAIMS).encode())}"
    signature = bytes.fromhex(key.sign_with_sm3(signed.encode()))
    x, y = bytes.fromhex(public[:64]), bytes.fromhex(public[64:])
    jwk = {"kty": "EC", "crv": "SM2", "x": base64url(x), "y": base64url(y)}
    return {"by": "gmssl", "alg": "SM2-with-SM3", "jwk": json.dumps(jwk), "token": f"{signed}.{base64url(signature)}"}


cases = [of_gmssl() for _ in range(20)]
for alg in ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", *CURVES, "EdDSA"]:
    if alg.startswith("HS"):
        key, pem = SECRET, None
        jose_key = jose_jwk.OctKey.import_key(SECRET)
    else:
        key = private_key(alg)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        jose_key = jose_jwk.import_key(pem, {"EdDSA": "OKP"}.get(alg, "EC" if alg in CURVES else "RSA"))
    jwk = json.dumps(public_jwk(alg, pem))
    cases.append({"by": "PyJWT", "alg": alg, "jwk": jwk, "token": jwt.encode(CLAIMS, key, algorithm=alg)})
    token = jose_jwt.encode({"alg": alg}, CLAIMS, jose_key, algorithms=[alg])
    cases.append({"by": "joserfc", "alg": alg, "jwk": jwk, "token": token})
print(json.dumps(cases))
