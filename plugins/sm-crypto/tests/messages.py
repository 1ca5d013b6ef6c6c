# Prints messages that other implementations signed or encrypted, as JSON: gmssl (SM2, SM4-CBC) and cryptography, on its own OpenSSL (SM4-CBC, SM4-GCM).
import json
import os

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from gmssl import func, sm2, sm4


def signed(asn1):
    secret = func.random_hex(64)
    key = sm2.CryptSM2(private_key=secret, public_key="")
    public = key._kg(int(secret, 16), sm2.default_ecc_table["g"])
    if public.startswith("04"):
        # gmssl 3.2.2 takes that for the mark of an uncompressed point and strips it, with every 0 and 4 behind it.
        return signed(asn1)
    key = sm2.CryptSM2(private_key=secret, public_key=public, asn1=asn1)
    message = os.urandom(100)
    return {"public": public, "message": message.hex(), "signature": key.sign_with_sm3(message)}


def encrypted(by, mode, length):
    key, plain = os.urandom(16), os.urandom(length)
    iv = os.urandom(12 if mode == "gcm" else 16)
    if by == "gmssl":
        cipher = sm4.CryptSM4()
        cipher.set_key(key, sm4.SM4_ENCRYPT)
        message = cipher.crypt_cbc(iv, plain)
    elif mode == "gcm":
        cipher = Cipher(algorithms.SM4(key), modes.GCM(iv)).encryptor()
        message = cipher.update(plain) + cipher.finalize() + cipher.tag
    else:
        padder = PKCS7(128).padder()
        cipher = Cipher(algorithms.SM4(key), modes.CBC(iv)).encryptor()
        message = cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()
    names = {"key": key, "iv": iv, "plain": plain, "message": message}
    return {"by": by, "mode": mode} | {name: value.hex() for name, value in names.items()}


print(
    json.dumps(
        {
            "sm2": [signed(asn1) for asn1 in [False, True] * 10],
            "sm4": [
                encrypted(by, mode, length)
                for by, mode in [("gmssl", "cbc"), ("cryptography", "cbc"), ("cryptography", "gcm")]
                for length in [0, 1, 15, 16, 17, 100, 5000]
            ],
        }
    )
)
