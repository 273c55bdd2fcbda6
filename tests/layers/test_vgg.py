import torch

from denoise_cli.layers.vgg import POOL, Vgg16Features, stack


def test_a_stack_halves_at_every_pool_and_rounds_up() -> None:
    layers = stack((4, POOL, 6, POOL), 3, batch_norm=True)
    assert [type(layer).__name__ for layer in layers[:4]] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert layers(torch.rand((2, 3, 9, 5))).shape == (2, 6, 3, 2)
    assert stack((POOL, 2), 1, batch_norm=False)(torch.rand((1, 1, 1, 1))).shape == (1, 2, 1, 1)


def test_the_start_is_cut_off_and_as_wide_as_he_says() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv = stack((200,), 50, batch_norm=False)[0]
    assert isinstance(conv, torch.nn.Conv2d) and conv.bias is not None
    deviation = (2 / 450) ** 0.5
    assert conv.weight.abs().max() <= 2 * deviation
    assert 0.85 * deviation < conv.weight.std() < 0.92 * deviation  # of a normal cut at two: 0.88
    assert not conv.bias.any()


def test_the_keys_of_the_published_vgg16() -> None:
    shapes = {key: tuple(value.shape) for key, value in Vgg16Features().state_dict().items()}
    assert shapes == {
        "features.0.weight": (64, 3, 3, 3), "features.0.bias": (64,),
        "features.2.weight": (64, 64, 3, 3), "features.2.bias": (64,),
        "features.5.weight": (128, 64, 3, 3), "features.5.bias": (128,),
        "features.7.weight": (128, 128, 3, 3), "features.7.bias": (128,),
    }  # fmt: skip


def test_images_are_normalised_as_those_of_imagenet() -> None:
    net = Vgg16Features()
    mean = torch.tensor((0.485, 0.456, 0.406))[:, None, None].expand(1, 3, 8, 8)
    assert not net(mean).any()  # zeros go in, and no bias is drawn
    assert net(mean + 0.1).shape == (1, 128, 4, 4) and net(mean + 0.1).any()
