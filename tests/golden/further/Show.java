import java.awt.image.BufferedImage;
import java.io.File;
import javax.imageio.ImageIO;

/** Writes the first picture of a file as PNG. */
class Show {
    public static void main(String[] files) throws Exception {
        BufferedImage read = ImageIO.read(new File(files[0]));
        BufferedImage shown = new BufferedImage(read.getWidth(), read.getHeight(), BufferedImage.TYPE_INT_ARGB);
        for (int y = 0; y < read.getHeight(); y++)
            for (int x = 0; x < read.getWidth(); x++) shown.setRGB(x, y, read.getRGB(x, y));
        ImageIO.write(shown, "png", new File(files[1]));
    }
}
