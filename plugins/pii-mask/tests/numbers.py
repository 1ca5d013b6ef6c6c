# Prints numbers that python-stdnum judged, and digests that Python's hmac and gmssl made, as JSON.
import hmac
import json
import random

from gmssl import func, sm3
from stdnum import luhn
from stdnum.cn import ric
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10

random.seed(7)


def digits(count):
    return "".join(random.choice("0123456789") for _ in range(count))


def is_born(number):
    # Its list of counties lacks many, and which there are depends on the year: only the date is asked for.
    try:
        return ric.get_birth_date(number) is not None
    except ValidationError:
        return False


def numbers():
    for _ in range(1000):
        card = random.choice(["62", "4", "53", "37"])
        body = card + digits({"62": 16, "4": 14, "53": 13, "37": 12}[card])
        whole = body + random.choice([luhn.calc_check_digit(body), digits(1)])
        yield "bank_card", whole, luhn.is_valid(whole)
    for _ in range(1000):
        body = random.choice(["110105", "440524", "310101", "650102"]) + random.choice(["19", "20"]) + f"{random.randrange(100):02}"
        body += f"{random.randrange(14):02}{random.randrange(33):02}{digits(3)}"
        good = body + ric.calc_check_digit(body + "0")
        whole = random.choice([good, body + digits(1)])
        yield "resident_id_cn", whole, whole == good and is_born(whole)
    for country, form in [("DE", 18), ("GB", 18), ("NL", 14), ("FR", 23), ("NO", 11), ("MT", 27)]:
        for _ in range(200):
            body = digits(form) if country in ("DE", "NO") else "".join(random.choice("ABCZ0189") for _ in range(form))
            check = mod_97_10.calc_check_digits(body + country)
            whole = country + random.choice([check, digits(2)]) + body
            yield "iban", whole, mod_97_10.is_valid(whole[4:] + whole[:4])


def digests():
    key = "a key of tests, 16 bytes or more"
    for value in ["alice@example.com", "Bob.Smith@Example.Org"]:
        message = b"email\0" + value.lower().encode()
        yield "sha256", key, value, "email:" + hmac.new(key.encode(), message, "sha256").hexdigest()[:32]

        def hashed(data):
            return bytes.fromhex(sm3.sm3_hash(func.bytes_to_list(data)))

        padded = key.encode().ljust(64, b"\0")
        inner = hashed(bytes(byte ^ 0x36 for byte in padded) + message)
        yield "sm3", key, value, "email:" + hashed(bytes(byte ^ 0x5C for byte in padded) + inner).hex()[:32]


print(
    json.dumps(
        {
            "numbers": [{"class": name, "value": value, "valid": valid} for name, value, valid in numbers()],
            "digests": [
                {"algorithm": algorithm, "key": key, "value": value, "digest": digest}
                for algorithm, key, value, digest in digests()
            ],
        }
    )
)
