"""What the images of known sets show, in wide groups: a class is called ``animals/frog``, its group before its name."""

SPLITS = ("train", "val", "test")
GROUPS = ("animals", "vehicles", "food", "scenery", "objects")

_VEHICLES = """n02814533 n02917067 n03100240 n03393912 n03444034 n03447447 n03599486 n03662601 n03670208 n03796401
    n03977966 n04146614 n04285008 n04465501 n04487081"""  # cars, buses, trains, boats, carts, a tractor
_SCENERY = """n02793495 n02814860 n03042490 n03126707 n03160309 n03355925 n03388043 n03733131 n03837869 n03930313
    n04311004 n04366367 n04417672 n04486054 n04532670 n04562935"""  # buildings, bridges and what stands outside
_FOOD = ("n12267677",)  # acorn; the others begin with n07
_MACHINES = ("airplane", "automobile", "car", "ship", "truck")  # of CIFAR-10 and STL-10, whose others are animals


def of_wordnet(wnid: str) -> str:
    """The class of an image of Tiny ImageNet, such as ``animals/n01443537``, by its noun of WordNet.

    Of the groups, objects are things of the house and clothes.
    """
    if wnid < "n0266":  # WordNet lists living things first, then artifacts, food and places
        group = "animals"
    elif wnid in _VEHICLES:
        group = "vehicles"
    elif wnid in _SCENERY or wnid.startswith("n09"):
        group = "scenery"
    else:
        group = "food" if wnid.startswith("n07") or wnid in _FOOD else "objects"
    return f"{group}/{wnid}"


def of_word(word: str) -> str:
    """The class of an image of CIFAR-10 or STL-10: ``animals/frog``, ``vehicles/ship``."""
    return f"{'vehicles' if word in _MACHINES else 'animals'}/{word}"


def of_folders(name: str) -> str:
    """The class of an image in folders by class: ``animals/cat`` of ``train/animals/cat/1.png``, "" of ``1.png``."""
    folder = name.rpartition("/")[0]
    first, _, rest = folder.partition("/")
    return rest if first in SPLITS else folder
