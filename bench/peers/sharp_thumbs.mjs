// sharp (libvips in Node.js): thumbnails of a folder, as many at a time as asked for.
//
//     node sharp_thumbs.mjs NODE_MODULES SOURCE OUT EXTENSION SIZE PARALLEL FAST
//
// One libvips thread a picture (sharp.concurrency(1)) and PARALLEL pictures at a time: the fastest that was found on two
// cores. FAST is "fast" for sharp's default fastShrinkOnLoad, else it is switched off, for the better picture.
// Each file is written under a temporary name and renamed, as our job does.
import { createRequire } from "node:module";
import { readdir, rename } from "node:fs/promises";
import path from "node:path";

const [modules, source, out, extension, size, parallel, fast] = process.argv.slice(2);
const sharp = createRequire(path.join(modules, "x.js"))("sharp");
sharp.concurrency(1);
sharp.cache(false);

const names = (await readdir(source)).filter((name) => name.endsWith(".jpg")).sort();
const side = Number(size);
let next = 0;

async function work() {
  while (next < names.length) {
    const name = names[next++];
    const target = path.join(out, path.parse(name).name + "." + extension);
    const picture = sharp(path.join(source, name))
      .rotate()
      .resize(side, side, { fit: "inside", fastShrinkOnLoad: fast === "fast" });
    const encoded =
      extension === "png" ? picture.png() : picture.jpeg({ quality: 85, chromaSubsampling: "4:2:0" });
    await encoded.toFile(target + ".tmp");
    await rename(target + ".tmp", target);
  }
}

await Promise.all(Array.from({ length: Number(parallel) }, work));
