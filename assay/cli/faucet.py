"""`assay faucet`: an account with test money."""

from typing import Annotated

import typer

from assay.cli.place import DEFAULT_ACCOUNT, AccountOption, HomeOption, JsonOption, PasswordOption


def run(
    amount: Annotated[str, typer.Option(metavar="AMOUNT", help="Test tokens to give, whole ones.")] = "10000",
    home: HomeOption = None,
    account: AccountOption = DEFAULT_ACCOUNT,
    password_file: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an account coin for gas and test tokens; make the account if there is none.

    The key is kept encrypted in the home's keys folder. Both kinds of money are worth nothing.

    Examples:

    - `assay faucet`

    - `assay faucet --account alice --amount 500 --password-file alice.password`
    """
    from assay.api.money import Till
    from assay.chain.faucet import ETHER_WEI, find_faucet, price_gas
    from assay.chain.ground import PARTY_GAS
    from assay.chain.rpc import Rpc
    from assay.cli.place import open_home, unlock
    from assay.cli.terminal import Pace, err, out, plain, print_json
    from assay.protocol.errors import BadInput
    from assay.protocol.units import parse_amount

    with open_home(home) as place:
        record = place.record
        assert record is not None
        web3 = place.connect(operator=bool(record.operator))
        known = place.has_account(account)
        if not known:
            units = parse_amount(amount, 18)  # refused before a key is made
        signer = unlock(place, account, password_file, create=True)
        till = Till(place.ledger(signer), place.token)
        units = parse_amount(amount, till.decimals)
        if units > 10**6 * till.coin.mint_max():
            raise BadInput(f"{amount} is more than the faucet gives", hint="ask for less")
        gas_wei = max(ETHER_WEI if record.operator else 0, PARTY_GAS * price_gas(Rpc(web3)))
        if Rpc(web3).get_balance(signer.address) < gas_wei // 2:
            find_faucet(web3).give(signer, gas_wei)
        pace, console = Pace(), err()

        def say(given: int, asked: int) -> None:
            if given < asked and not as_json and pace.is_due():
                console.print(plain(f"· {till.words(given)} of {till.words(asked)}", "dim"))

        till.mint(units, say)
        held = till.look()
        if as_json:
            whole = {"account": account, "address": signer.address, "made": not known, "given": amount}
            print_json(whole | {"wallet": till.words(held.wallet).split()[0], "symbol": till.symbol})
            return
        shown = out()
        shown.print(plain(f"{account} {signer.address}" + ("" if known else " (new)"), "bold"))
        shown.print(plain(f"  got {till.words(units)}, has {till.words(held.wallet)} and coin for gas"))
