"""English words that the analyzer treats by a list."""

_EMPTY = """
    a an the of to in on at for from by with and or but nor is are was were be been being am do does
    did done doing has have had having i you he she it they we me him her them us my your his its
    our their this that these those what which who whom whose when where why how would could should
    will can might shall must than then there here as if so not no about into over after before
    during because while don doesn didn isn aren wasn weren hasn haven hadn couldn wouldn shouldn
    won ain
"""
STOP_WORDS = frozenset(_EMPTY.split())
"""Left out of questions, never of memories. Not among them: "may", which is a month."""

_FORMS = """
be: am is are was were been being / begin: began begun / break: broke broken / bring: brought
build: built / buy: bought / catch: caught / choose: chose chosen / come: came / cost: costs
cut: cuts / deal: dealt / draw: drew drawn / drink: drank drunk / drive: drove driven
eat: ate eaten / fall: fell fallen / feed: fed / feel: felt / fight: fought / find: found
fly: flew flown / forget: forgot forgotten / forgive: forgave forgiven / freeze: froze frozen
get: got gotten / give: gave given / go: went gone / grow: grew grown / hang: hung
hear: heard / hide: hid hidden / hold: held / keep: kept / know: knew known / lead: led
leave: left / lend: lent / lose: lost / make: made / mean: meant / meet: met / pay: paid
ride: rode ridden / ring: rang rung / rise: rose risen / run: ran / say: said / see: saw seen
seek: sought / sell: sold / send: sent / shake: shook shaken / shine: shone / shoot: shot
show: shown / shrink: shrank shrunk / sing: sang sung / sink: sank sunk / sit: sat / sleep: slept
speak: spoke spoken / spend: spent / stand: stood / steal: stole stolen / stick: stuck
strike: struck / swear: swore sworn / swim: swam swum / swing: swung / take: took taken
teach: taught / tear: tore torn / tell: told / think: thought / throw: threw thrown
understand: understood / wake: woke woken / wear: wore worn / win: won / write: wrote written
become: became / child: children kid kids / man: men / woman: women / person: people
foot: feet / mouse: mice / tooth: teeth / good: better best / bad: worse worst
"""
IRREGULAR = {
    form: word
    for entry in _FORMS.replace("\n", " / ").split(" / ")
    if ":" in entry
    for word, _, forms in [entry.partition(": ")]
    for form in forms.split()
}
"""Form to base form, for those that no rule of a stemmer gives."""
