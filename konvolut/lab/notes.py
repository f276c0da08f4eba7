"""The lecture notes, sentence by sentence, in our words; and what holds each: claims, or history (H).

The sentences are those of the notes on AlexNet to ResNet that this package was asked for; S1 is their first.
"""

from dataclasses import dataclass

from konvolut.language import later


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the notes."""

    id: str
    held_by: str  # the claims that test it, apart by blanks; H1 to H4 are history, told and not tested
    text: str


NOTES: dict[str, tuple[Sentence, ...]] = {  # chapter -> its sentences, in the notes' order
    later("AlexNet"): (
        Sentence("S1", "H3 W1", later("AlexNet was the first network of the present wave of deep learning.")),
        Sentence(
            "S2",
            "A1 A17 H2",
            later(
                "Around 2000 the method of choice was kernels: take features, choose a kernel that says how alike two "
                "are, solve a convex problem, and have theorems about the answer."
            ),
        ),
        Sentence(
            "S3",
            "A16",
            later(
                "Computer vision then thought in geometry: with a good geometric model, an optimisation, convex or not, "
                "gives very good results."
            ),
        ),
        Sentence(
            "S4",
            "A2",
            later("Features matter most; with good features it hardly matters which learner follows."),
        ),
        Sentence("S5", "A3", later("More data and faster hardware let neural networks win.")),
        Sentence("S6", "H1 H3", later("AlexNet won the third ImageNet contest.")),
        Sentence(
            "S7",
            "A6 A14 A15 A10",
            later("It is a deeper and larger LeNet; what is new is dropout, ReLU and max pooling."),
        ),
        Sentence(
            "S8",
            "A4 A5",
            later("It changed the method: letting a network learn its features is simpler than designing them."),
        ),
        Sentence(
            "S9",
            "A5",
            later("Convolutions and softmax are trained together, which is more efficient."),
        ),
        Sentence("S10", "A7 W3", later("The first kernel is larger because the pictures are larger.")),
        Sentence("S11", "A8", later("It has 96 channels at once, to learn more in the first layer.")),
        Sentence("S12", "A9", later("Pooling over 3x3 allows a picture to move by a pixel.")),
        Sentence("S13", "A10", later("Max pooling passes larger values on, so the net learns faster.")),
        Sentence(
            "S14",
            "A8 A11",
            later("More channels in the second layer recognise more patterns; three more convolutions follow."),
        ),
        Sentence("S15", "A12", later("With more classes, the dense layers are wider.")),
        Sentence(
            "S16",
            "A13 A18",
            later("Pictures are augmented because convolutional nets are sensitive to light, among other things."),
        ),
    ),
    later("VGG"): (
        Sentence("S17", "V6", later("AlexNet is irregular; its structure shows no plan.")),
        Sentence(
            "S18",
            "V1 V3 V5 V4",
            later(
                "There are three ways to grow: dense layers, which are too dear; more convolutions; or convolutions in "
                "blocks."
            ),
        ),
        Sentence(
            "S19",
            "V4",
            later(
                "A VGG block is n convolutions of 3x3 with m channels and a pool that halves the map; blocks repeat."
            ),
        ),
        Sentence("S20", "V2", later("At equal compute, 3x3 kernels do better than 5x5.")),
        Sentence("S21", "V4 V5", later("Several blocks and then dense layers make VGG-16 and VGG-19.")),
    ),
    later("Network in network"): (
        Sentence(
            "S22",
            "N1 V1",
            later("A convolution costs only c_in x c_out x k x k weights; the dense layer behind it costs many more."),
        ),
        Sentence("S23", "N3 N8", later("So it has no dense layers at all; convolutions take their place.")),
        Sentence(
            "S24",
            "N2",
            later(
                "A NiN block is a convolution and two 1x1 convolutions, which act at each pixel as dense layers would."
            ),
        ),
        Sentence(
            "S25",
            "N4",
            later("Such blocks take turns with max pools of stride 2: height and width fall, channels rise."),
        ),
        Sentence(
            "S26",
            "N5 N6 N7",
            later("In the end a global average pool gives the answer; it takes as many channels as there are classes."),
        ),
    ),
    later("GoogLeNet"): (
        Sentence(
            "S27",
            "G1",
            later(
                "Four ways see a map at different scales and are joined along the channels, so that nobody need choose "
                "among them."
            ),
        ),
        Sentence("S28", "G2", later("The white boxes work on channels, the blue ones on space.")),
        Sentence(
            "S29",
            "G3 G4 W2",
            later("The block has fewer weights and takes less compute than a single 3x3 or 5x5 convolution."),
        ),
        Sentence("S30", "G5 G6 G7", later("GoogLeNet is a stack of such blocks.")),
    ),
    later("Batch normalization"): (
        Sentence("S31", "B1", later("Gradients are large at the top of a net and small at its bottom.")),
        Sentence("S32", "B2", later("So the top settles quickly while the bottom goes on training.")),
        Sentence(
            "S33",
            "B3",
            later("Whenever the bottom changes, the top must learn again, and the whole is slow."),
        ),
        Sentence("S34", "B4", later("The bottom learns textures, the top what is abstract.")),
        Sentence("S35", "B3", later("Can the bottom change without making the top learn again?")),
        Sentence(
            "S36",
            "B5 B6 B15",
            later(
                "Fix the mean and the variance of each small batch, so that layers see something stable; what follows may"
                " be learnt, within limits."
            ),
        ),
        Sentence("S37", "B6", later("Its scale and its shift are learnt.")),
        Sentence(
            "S38",
            "B8",
            later(
                "It stands on the outputs of dense and convolutional layers, before their activation, or on their inputs."
            ),
        ),
        Sentence(
            "S39",
            "B7",
            later("For dense layers it works along the features, for convolutions along the channels."),
        ),
        Sentence(
            "S40",
            "B9 W4",
            later(
                "Xavier's first weights have the same aim, but only at the start; batch normalization goes on throughout."
            ),
        ),
        Sentence("S41", "B10 B11 B12 B13 B14", later("It shortens training because gradients become larger.")),
    ),
    later("ResNet"): (
        Sentence("S42", "R1 V5", later("Do more layers always help?")),
        Sentence(
            "S43",
            "R12 R3 R4",
            later(
                "A larger class of functions need not come nearer to the best one, unless it contains the smaller class."
            ),
        ),
        Sentence(
            "S44",
            "R2 R3 R8",
            later(
                "A layer in series changes the class; with a shortcut, f(x) = x + g(x) contains what was there before."
            ),
        ),
        Sentence(
            "S45",
            "R10 R5",
            later("The net is laid out as VGG and GoogLeNet are, with residual blocks in place of theirs."),
        ),
        Sentence("S46", "R6 R9 R11", later("Very deep nets become easier to train, up to a thousand layers.")),
        Sentence("S47", "H4", later("It has shaped the networks that came after it.")),
        Sentence(
            "S48",
            "R7",
            later("Where g does not help, its gradient is small, and its weights stay small."),
        ),
        Sentence(
            "S49",
            "R13 R8",
            later("Its name: the small net comes first, and g(x) refines what is left, the residual."),
        ),
    ),
}
